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

# stint_unit_tests(FOLDER link...): every FOLDER/x_test.c is a program and a ctest named unit.FOLDER.x.
# Label "unprivileged" unless its name is in STINT_ROOT_TESTS (then "root").
function(stint_unit_tests folder)
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.c)
  foreach(source ${tests})
    get_filename_component(stem ${source} NAME_WE)
    string(REGEX REPLACE "_test$" "" stem ${stem})
    set(test unit.${folder}.${stem})
    add_executable(${test} ${source})
    target_link_libraries(${test} PRIVATE ${ARGN} PkgConfig::CHECK)
    add_test(NAME ${test} COMMAND ${test})
    set(labels "unit;${folder}")
    if(${test} IN_LIST STINT_ROOT_TESTS)
      list(APPEND labels root)
    else()
      list(APPEND labels unprivileged)
    endif()
    set_tests_properties(${test} PROPERTIES LABELS "${labels}" TIMEOUT 120)
  endforeach()
endfunction()
