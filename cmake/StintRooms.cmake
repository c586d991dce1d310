# SPDX-License-Identifier: GPL-2.0-or-later

# stint_room(NAME room...): every .c of this folder is one static library that links only the rooms
# and libraries named. What lies in the folder belongs to the room.
function(stint_room name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  if(NOT sources) # a room nobody lives in yet
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE stint_flags ${ARGN})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC stint_flags ${ARGN})
endfunction()

# stint_add_test(NAME test COMMAND program arg... LABELS label... [TIMEOUT seconds] [ROOT]): a ctest.
# Every test is labelled "unprivileged": an ordinary user runs `ctest -L unprivileged`. One that needs
# ROOT is labelled "root" too, and is then counted and named as Skipped, never left out in silence.
function(stint_add_test)
  cmake_parse_arguments(arg "ROOT" "NAME;TIMEOUT" "COMMAND;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  list(POP_FRONT arg_COMMAND program)
  if(TARGET ${program})
    set(program $<TARGET_FILE:${program}>) # behind the wrapper CMake would not know it for a target
  endif()
  list(PREPEND arg_COMMAND ${program})
  if(arg_ROOT)
    add_test(NAME ${arg_NAME} COMMAND ${PROJECT_SOURCE_DIR}/tests/house/needs-root.sh ${arg_COMMAND})
    set_tests_properties(${arg_NAME} PROPERTIES SKIP_RETURN_CODE 77)
    list(APPEND arg_LABELS root)
  else()
    add_test(NAME ${arg_NAME} COMMAND ${arg_COMMAND})
  endif()
  set_tests_properties(${arg_NAME} PROPERTIES LABELS "${arg_LABELS};unprivileged" TIMEOUT ${arg_TIMEOUT})
endfunction()

# stint_unit_tests(FOLDER link...): every FOLDER/x_test.c is a program and a ctest named unit.FOLDER.x.
# Those whose name is in STINT_ROOT_TESTS need root.
function(stint_unit_tests folder)
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.c)
  foreach(source ${tests})
    get_filename_component(stem ${source} NAME_WE)
    string(REGEX REPLACE "_test$" "" stem ${stem})
    set(test unit.${folder}.${stem})
    add_executable(${test} ${source})
    target_link_libraries(${test} PRIVATE ${ARGN} PkgConfig::CHECK)
    set(root)
    if(${test} IN_LIST STINT_ROOT_TESTS)
      set(root ROOT)
    endif()
    stint_add_test(NAME ${test} COMMAND ${test} LABELS unit ${folder} ${root})
  endforeach()
endfunction()
