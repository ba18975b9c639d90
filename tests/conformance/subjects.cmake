# The malloc subjects as the tests see them, each as "name|libraries|package|target": glibc, every peer that
# variants/peers declares, every manual build of ours. Sets malloc_subjects, libc_subject (glibc alone) and
# malloc_variants (ours alone).
set(libc_subject "")
set(malloc_variants "")
# A second compiler changes our libraries, not those of others: the builds of the first alone test glibc and the peers.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(libc_subject "glibc|||")
  file(GLOB peer_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/variants/peers/*.c)
endif()
set(malloc_subjects ${libc_subject})
foreach(file IN LISTS peer_files)
  file(READ ${file} text)
  # What a peer says of itself is C; these three initialisers are written in one form by all (peer.h).
  string(REGEX MATCH "\\.name = \"([^\"]+)\"" found "${text}")
  set(peer "${CMAKE_MATCH_1}")
  if(NOT found OR NOT text MATCHES "\\.package = \"([^\"]+)\"")
    continue() # libc itself, or built here
  endif()
  set(package ${CMAKE_MATCH_1})
  if(NOT text MATCHES "libraries[^;{]*{([^}]*)}")
    message(FATAL_ERROR "${file}: no list of libraries to preload; tests/conformance/subjects.cmake looks for one")
  endif()
  string(REGEX MATCHALL "\"[^\"]+\"" names "${CMAKE_MATCH_1}")
  string(REPLACE "\"" "" names "${names}")
  string(REPLACE ";" "," names "${names}")
  list(APPEND malloc_subjects "${peer}|${names}|${package}|")
endforeach()
get_property(variants GLOBAL PROPERTY GOALLOC_MANUAL_VARIANTS)
foreach(variant IN LISTS variants)
  list(APPEND malloc_variants "goalloc-${variant}|$<TARGET_FILE:goalloc-${variant}-shared>||goalloc-${variant}-shared")
endforeach()
list(APPEND malloc_subjects ${malloc_variants})

# add_subject_test(PREFIX SUBJECT LABEL COMMAND...): one test PREFIX.NAME that runs a program on one subject.
function(add_subject_test prefix subject label)
  string(REPLACE "|" ";" parts "${subject}") # an empty list element is an empty argument, quoted below
  list(GET parts 0 name)
  list(GET parts 1 libraries)
  list(GET parts 2 package)
  add_test(NAME ${prefix}.${name} COMMAND ${CMAKE_SOURCE_DIR}/tests/conformance/subject.sh ${name} "${libraries}"
                                          "${package}" ${ARGN})
  set_tests_properties(${prefix}.${name} PROPERTIES LABELS "${label}" TIMEOUT ${TEST_TIMEOUT_SECONDS} SKIP_RETURN_CODE 77)
endfunction()
