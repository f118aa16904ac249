# The house rules that a machine can see: cmake -DROOT=<source> -P style.cmake
#
# Files are read whole and searched; only a file with something wrong is taken apart into lines.
cmake_minimum_required(VERSION 3.24)

set(longest_file 600)
set(longest_line 120)

# complain(<file> <regex> <message>): one error for each line of `text` that matches.
function(complain file regex message)
  if(NOT text MATCHES "${regex}")
    return()
  endif()
  string(REPLACE "\n" ";" lines "${text}")
  set(number 0)
  foreach(line IN LISTS lines)
    math(EXPR number "${number} + 1")
    if("\n${line}\n" MATCHES "${regex}")
      set_property(GLOBAL APPEND_STRING PROPERTY wrong "${file}:${number}: error: ${message}\n")
    endif()
  endforeach()
endfunction()

file(GLOB_RECURSE files RELATIVE "${ROOT}"
  "${ROOT}/graph/*" "${ROOT}/encoders/*" "${ROOT}/checker/*" "${ROOT}/tests/*" "${ROOT}/cases/*" "${ROOT}/docs/*"
  "${ROOT}/.ci/*")
file(GLOB top LIST_DIRECTORIES false RELATIVE "${ROOT}"
  "${ROOT}/run" "${ROOT}/*.txt" "${ROOT}/*.md" "${ROOT}/*.json")

string(REPEAT "[^\n]" ${longest_line} full_line)
foreach(file IN LISTS files top)
  if(file MATCHES "[.](png|svg|gz|dat|pyc)$")
    continue()
  endif()
  file(READ "${ROOT}/${file}" text)
  # What CMake would take for list syntax becomes a dot; places stay the same.
  string(REGEX REPLACE "[][;\\]" "." text "${text}")

  # Paths of somebody's machine. What a test expects of a foreign text may contain anything.
  if(NOT file MATCHES "^(tests/golden|tests/fuzz/corpus|cases/traces|cases/snapshots|tests/rejected)/")
    complain("${file}" "[^A-Za-z0-9_.}>)-]/(home|work|tmp)/" "names a place of one machine")
    complain("${file}" "[ \t]\n" "space at the end of the line")
    if(NOT text MATCHES "\n$" AND NOT text STREQUAL "")
      set_property(GLOBAL APPEND_STRING PROPERTY wrong "${file}: error: no newline at the end\n")
    endif()
  endif()

  if(NOT file MATCHES "[.](cpp|hpp|cmake|py)$|CMakeLists[.]txt$|^run$|^[.]ci/run$")
    continue()
  endif()
  complain("${file}" "\t" "a tab")
  complain("${file}" "${full_line}[^\n]" "longer than ${longest_line} bytes")
  complain("${file}" "(//|#)([^\n]*[^A-Za-z\n])?(TO[D]O|FIX[M]E|X[X]X)[^A-Za-z]" "an unfinished thought")
  string(REGEX REPLACE "[^\n]" "" newlines "${text}")
  string(LENGTH "${newlines}" length)
  if(length GREATER longest_file)
    set_property(GLOBAL APPEND_STRING PROPERTY wrong
      "${file}: error: ${length} lines, more than ${longest_file}: does it hold two things?\n")
  endif()
  if(file MATCHES "[.]hpp$")
    if(NOT text MATCHES "^// ")
      set_property(GLOBAL APPEND_STRING PROPERTY wrong "${file}:1: error: a header opens with a comment: what it is\n")
    endif()
    if(NOT text MATCHES "^(//[^\n]*\n)+#pragma once\n")
      set_property(GLOBAL APPEND_STRING PROPERTY wrong "${file}: error: no #pragma once after the first comment\n")
    endif()
  endif()
endforeach()

get_property(wrong GLOBAL PROPERTY wrong)
if(wrong)
  message(NOTICE "${wrong}")
  message(FATAL_ERROR "see above")
endif()
