# ESP-IDF reads a component's CMakeLists.txt twice. The first time it is a script, for the requirements alone: what is
# registered ends it, and nothing before that may need a project.
#
#   cmake -DCOMPONENT=FOLDER -P early.cmake
cmake_minimum_required(VERSION 3.16)
set(ESP_PLATFORM 1)

macro(idf_component_register)
    message(STATUS "registered ${ARGN}")
    set(registered TRUE)
    return()
endmacro()

include(${COMPONENT}/CMakeLists.txt)
if(NOT registered)
    message(FATAL_ERROR "${COMPONENT}/CMakeLists.txt registers nothing")
endif()
