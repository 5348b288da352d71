# equalinfo::equalinfo, the library in this folder whose ABI is that of the compiler's flags. EQUALINFO_TARGET names
# another one. Flags that CMake does not have yet, such as those of a target alone, are not seen: put -mcpu, -mfloat-abi
# and -march into CMAKE_C_FLAGS or a toolchain file.

if(NOT EQUALINFO_TARGET)
  separate_arguments(equalinfo_flags NATIVE_COMMAND "${CMAKE_C_FLAGS}")
  execute_process(
    COMMAND ${CMAKE_C_COMPILER} ${equalinfo_flags} -dM -E -x c /dev/null
    OUTPUT_VARIABLE equalinfo_macros
    ERROR_QUIET)
  # v8-M executes what v6-M and v7-M do: Cortex-M23 all of v6-M, Cortex-M33 all of v7-M, with DSP all of the M4.
  if(equalinfo_macros MATCHES "__ARM_ARCH_6S?M__|__ARM_ARCH_8M_BASE__")
    set(EQUALINFO_TARGET thumbv6m-none-eabi)
  elseif(equalinfo_macros MATCHES "__ARM_ARCH_7EM__|__ARM_ARCH_8M_MAIN__|__ARM_ARCH_8_1M_MAIN__")
    if(NOT equalinfo_macros MATCHES "__ARM_FEATURE_DSP 1" AND NOT equalinfo_macros MATCHES "__ARM_PCS_VFP")
      set(EQUALINFO_TARGET thumbv7m-none-eabi)
    elseif(equalinfo_macros MATCHES "__ARM_PCS_VFP")
      set(EQUALINFO_TARGET thumbv7em-none-eabihf)
    else()
      set(EQUALINFO_TARGET thumbv7em-none-eabi)
    endif()
  elseif(equalinfo_macros MATCHES "__ARM_ARCH_7M__")
    set(EQUALINFO_TARGET thumbv7m-none-eabi)
  elseif(equalinfo_macros MATCHES "__riscv_xlen 32" AND equalinfo_macros MATCHES "__riscv_float_abi_soft")
    if(equalinfo_macros MATCHES "__riscv_atomic")
      set(EQUALINFO_TARGET riscv32imac-unknown-none-elf)
    else()
      set(EQUALINFO_TARGET riscv32imc-unknown-none-elf)
    endif()
  endif()
endif()

get_filename_component(equalinfo_folder "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(equalinfo_library "${equalinfo_folder}/lib/${EQUALINFO_TARGET}/libequalinfo.a")
if(NOT EQUALINFO_TARGET OR NOT EXISTS "${equalinfo_library}")
  set(Equalinfo_FOUND FALSE)
  set(Equalinfo_NOT_FOUND_MESSAGE
      "no libequalinfo.a for these flags (${CMAKE_C_FLAGS}); codec/c/package builds one, EQUALINFO_TARGET names it")
elseif(NOT TARGET equalinfo::equalinfo)
  add_library(equalinfo::equalinfo STATIC IMPORTED)
  # What nothing reaches must be left out: the panic handler's call has no target.
  set_target_properties(
    equalinfo::equalinfo
    PROPERTIES IMPORTED_LOCATION "${equalinfo_library}"
               INTERFACE_INCLUDE_DIRECTORIES "${equalinfo_folder}/include"
               INTERFACE_LINK_LIBRARIES "-Wl,--gc-sections")
endif()
