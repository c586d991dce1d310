# SPDX-License-Identifier: GPL-2.0-or-later
# One interface target carries what every file of ours is compiled with.
include(CheckCCompilerFlag)

option(STINT_WERROR "Warnings are errors (presets say ON, packagers need not)" OFF)
option(STINT_TIDY "Run clang-tidy on each file" OFF)
option(STINT_FUZZ "Build the fuzz targets (clang only)" OFF)
option(STINT_EDGES "Tests can strike at named places of the master (supervisor/io/edge.h); never in what is installed" OFF)
set(STINT_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # gnu11
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

add_library(stint_flags INTERFACE)
target_compile_definitions(stint_flags INTERFACE _GNU_SOURCE STINT_VERSION="${PROJECT_VERSION}")
target_include_directories(stint_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(stint_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wswitch-enum -Wimplicit-fallthrough
  -fno-omit-frame-pointer)
foreach(flag -Woverride-init -Winitializer-overrides -Wno-format-truncation)
  string(MAKE_C_IDENTIFIER "HAVE${flag}" known)
  string(REPLACE "-Wno-" "-W" positive ${flag}) # gcc accepts any -Wno-…; ask for the positive form
  check_c_compiler_flag(${positive} ${known})
  if(${known})
    target_compile_options(stint_flags INTERFACE ${flag})
  endif()
endforeach()
if(STINT_EDGES)
  target_compile_definitions(stint_flags INTERFACE STINT_EDGES)
endif()
if(STINT_WERROR)
  target_compile_options(stint_flags INTERFACE -Werror)
endif()

if(STINT_SANITIZE)
  target_compile_options(stint_flags INTERFACE -fsanitize=${STINT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(stint_flags INTERFACE -fsanitize=${STINT_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(stint_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection)
  check_c_compiler_flag(-fcf-protection HAVE_CF_PROTECTION)
  if(HAVE_CF_PROTECTION)
    target_compile_options(stint_flags INTERFACE -fcf-protection)
  endif()
  target_link_options(stint_flags INTERFACE -Wl,-z,relro,-z,now)
endif()

# What is shipped is linked whole (LTO); the tests link the same objects as they are, in a quarter of the time.
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(stint_flags INTERFACE -ffat-lto-objects)
endif()

if(STINT_TIDY)
  find_program(CLANG_TIDY NAMES clang-tidy REQUIRED)
  set(CMAKE_C_CLANG_TIDY ${CLANG_TIDY} --quiet)
endif()
