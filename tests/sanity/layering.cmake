# Which folder may include which: cmake -DROOT=<source> -P layering.cmake
#
# graph <- encoders <- checker <- tests; graph/model is the vocabulary and includes nothing else of ours,
# but report.hpp carries a dependency graph. Also: every source is in its folder's CMakeLists.txt.
cmake_minimum_required(VERSION 3.24)

set(allowed_graph_model "graph/model")
set(allowed_graph "graph")
set(allowed_encoders "graph|encoders")
set(allowed_checker "graph|encoders|checker")
set(exception_graph_model_report_hpp "graph/dependency_graph.hpp")

set(wrong "")
foreach(folder graph encoders checker tests)
  file(READ "${ROOT}/${folder}/CMakeLists.txt" listed)
  file(GLOB_RECURSE files RELATIVE "${ROOT}" "${ROOT}/${folder}/*.cpp" "${ROOT}/${folder}/*.hpp")
  foreach(file IN LISTS files)
    if(file MATCHES "^tests/(install|fuzz|bench)/")
      continue()
    endif()

    string(REPLACE "${folder}/" "" name "${file}")
    string(REPLACE "." "[.]" name "${name}")
    if(NOT listed MATCHES "[ (]${name}[ \n)]" AND NOT file MATCHES "^tests/.*[.]hpp$")
      string(APPEND wrong "${file}: error: not named in ${folder}/CMakeLists.txt\n")
    endif()

    if(folder STREQUAL "tests")
      continue()
    endif()
    set(may "${allowed_${folder}}")
    if(file MATCHES "^graph/model/")
      set(may "${allowed_graph_model}")
    endif()
    string(MAKE_C_IDENTIFIER "${file}" id)
    file(STRINGS "${ROOT}/${file}" includes REGEX "^[ \t]*#[ \t]*include[ \t]+\"")
    foreach(include IN LISTS includes)
      string(REGEX REPLACE "^[^\"]*\"([^\"]*)\".*" "\\1" include "${include}")
      if(NOT include MATCHES "^(${may})/" AND NOT include STREQUAL "${exception_${id}}")
        string(APPEND wrong "${file}: error: may include ${may} only, but includes \"${include}\"\n")
      endif()
    endforeach()
  endforeach()
endforeach()

if(wrong)
  message(NOTICE "${wrong}")
  message(FATAL_ERROR "see above")
endif()
