/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/flamegraph.h"

/* Nothing is fetched: the picture is one file, and can be sent on as it is. */

const char flamegraph_style[] =
    "<style>text{font:11px monospace;fill:#111;pointer-events:none}"
    ".title{font:bold 14px sans-serif}.b{font:12px sans-serif;fill:#24c;pointer-events:auto;"
    "cursor:pointer}.f{cursor:pointer}.f:hover rect{stroke:#000}.m rect{fill:#c0f}"
    ".o{opacity:.45}</style>\n";

const char flamegraph_buttons[] =
    "<text id=\"back\" class=\"b\" x=\"10\" y=\"40\" visibility=\"hidden\">whole picture</text>\n"
    "<text id=\"find\" class=\"b\" x=\"1130\" y=\"20\">search ...</text>\n"
    "<text id=\"said\" x=\"900\" y=\"40\"> </text>\n";

/*
 * A click on a box makes it as wide as the picture; those below it stay, faint. A search colours
 * the boxes whose name fits, and says how much of the width they have: a box within a box that fits
 * is not counted twice.
 */
const char flamegraph_script[] =
    "<script><![CDATA[\n"
    "(function(){\n"
    "var W=1200,L=6.6,all=[].slice.call(document.querySelectorAll('g.f')).map(function(g){\n"
    "  var t=g.querySelector('title').textContent;\n"
    "  return {g:g,x:+g.dataset.x,w:+g.dataset.w,r:+g.dataset.r,title:t,\n"
    "    name:t.replace(/ "
    "\\([^()]*\\)$/,''),box:g.querySelector('rect'),text:g.querySelector('text')};\n"
    "});\n"
    "var back=document.getElementById('back'),said=document.getElementById('said');\n"
    "function label(n,w){var k=Math.floor((w-6)/L),s=Array.from(n);\n"
    "  return w<3*L||k<3?'':s.length<=k?n:s.slice(0,k-2).join('')+'..';}\n"
    "function zoom(to){var s=W/to.w,e=1e-3;\n"
    "  all.forEach(function(f){\n"
    "    var below=f.r<to.r&&f.x<=to.x+e&&f.x+f.w>=to.x+to.w-e;\n"
    "    var within=f.r>=to.r&&f.x>=to.x-e&&f.x+f.w<=to.x+to.w+e;\n"
    "    f.g.style.display=below||within?'':'none';\n"
    "    f.g.classList.toggle('o',below);\n"
    "    if(!below&&!within)return;\n"
    "    var x=below?0:(f.x-to.x)*s,w=below?W:f.w*s;\n"
    "    f.box.setAttribute('x',x);f.box.setAttribute('width',w);\n"
    "    f.text.setAttribute('x',x+3);f.text.textContent=label(f.name,w);\n"
    "  });\n"
    "  back.setAttribute('visibility',to.r>0?'visible':'hidden');\n"
    "}\n"
    "function search(){\n"
    "  var p=prompt('Functions (a regular expression):',''),re,end=-1,sum=0;\n"
    "  if(p===null)return;\n"
    "  try{re=p?new RegExp(p,'i'):null}catch(x){said.textContent=String(x.message);return}\n"
    "  all.slice().sort(function(a,b){return a.x-b.x||a.r-b.r}).forEach(function(f){\n"
    "    var hit=!!re&&f.r>0&&re.test(f.name);\n"
    "    f.g.classList.toggle('m',hit);\n"
    "    if(hit&&f.x+f.w>end+1e-3){sum+=f.w;end=f.x+f.w}\n"
    "  });\n"
    "  said.textContent=re?'matched: '+(100*sum/W).toFixed(1)+' %':' ';\n"
    "}\n"
    "all.forEach(function(f){f.g.addEventListener('click',function(){zoom(f)})});\n"
    "back.addEventListener('click',function(){zoom(all[0])});\n"
    "document.getElementById('find').addEventListener('click',search);\n"
    "document.addEventListener('keydown',function(e){\n"
    "  if((e.ctrlKey||e.metaKey)&&e.key==='f'){e.preventDefault();search()}\n"
    "  if(e.key==='Escape')zoom(all[0]);\n"
    "});\n"
    "})();\n"
    "]]></script>\n";
