# Installs a build and uses it from another project, through the CMake package and through pkg-config:
# cmake -DBUILD=… -DCOMPILER=… -DVERSION=… -P consume.cmake
cmake_minimum_required(VERSION 3.24)

set(prefix "${BUILD}/install-test/prefix")
set(consumer "${BUILD}/install-test/consumer")
file(REMOVE_RECURSE "${BUILD}/install-test")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGV}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")
run("${CMAKE_COMMAND}" -G Ninja -S "${CMAKE_CURRENT_LIST_DIR}" -B "${consumer}" "-DVERSION=${VERSION}"
  "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_PREFIX_PATH=${prefix}")
run("${CMAKE_COMMAND}" --build "${consumer}")
run("${CMAKE_COMMAND}" -E chdir "${consumer}" ./consumer)

# Moved, so that nothing can lead back to where it was installed.
file(RENAME "${prefix}" "${prefix}-moved")
set(prefix "${prefix}-moved")
file(GLOB_RECURSE pc "${prefix}/*/fencecheck.pc")
cmake_path(GET pc PARENT_PATH pc_folder)
run("${CMAKE_COMMAND}" -E env "PKG_CONFIG_PATH=${pc_folder}" pkg-config --cflags --libs "fencecheck = ${VERSION}")
separate_arguments(flags UNIX_COMMAND "${output}")
run("${COMPILER}" "${CMAKE_CURRENT_LIST_DIR}/main.cpp" -o "${consumer}/by-pkg-config" ${flags})
run("${CMAKE_COMMAND}" -E chdir "${consumer}" ./by-pkg-config)

run("${prefix}/bin/fencecheck" --version)
if(NOT output MATCHES "${VERSION}")
  message(FATAL_ERROR "the installed fencecheck is not ${VERSION}, but says: ${output}")
endif()
