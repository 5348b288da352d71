# Part of tests/run, which sources it for its functions: the firmware examples and the C interface, on boards in QEMU.

FIRMWARE_TARGETS=(thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabi thumbv7em-none-eabihf
    riscv32imc-unknown-none-elf)

# Chooses the compiler of the checker and the C example: rustup's Rust if it has every target, else Debian's.
firmware_ready() {
    { have qemu-system-arm && have qemu-system-riscv32; } || install qemu-system-arm qemu-system-misc || return 1
    local target debian=false
    for target in "${FIRMWARE_TARGETS[@]}"; do
        can_build_for "$target" || return 1
        has_target "$target" || debian=true
    done
    firmware_environment=()
    if [ "$debian" = true ]; then
        firmware_environment=(FIRMWARE_CARGO=/usr/bin/cargo FIRMWARE_CARGO_OPTIONS=-Zbuild-std=core
            CARGO=/usr/bin/cargo CARGO_OPTIONS=-Zbuild-std=core RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc)
    fi
}

# The expected output of both C examples.
decoded_by_c() {
    cat firmware-example/text.txt
    sed -n 8p firmware-example/strings.txt
}

check_c_example() { # host, cortex-m3, cortex-m4 or cortex-m4-soft
    diff <(decoded_by_c) <(env "${firmware_environment[@]}" codec/c/examples/build "$1")
}

# What the tool makes of the lines of telemetry, each behind its length.
messages_of_lines() {
    local line message=$target/message
    while IFS= read -r line; do
        printf '%s' "$line" | "$EQUALINFO" compress -q --raw --model pico --context 32 --check 16 >"$message" || return 1
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x "$(wc -c <"$message")")"
        cat "$message"
    done <firmware-example/telemetry.txt
}

check_c_telemetry() { # as for the other
    cmp <(messages_of_lines) <(env "${firmware_environment[@]}" codec/c/examples/build "$1" telemetry)
}

# The library for both ways of passing floats, from another project.
check_c_package() {
    env "${firmware_environment[@]}" codec/c/package "$target/equalinfo-c" thumbv7em-none-eabi thumbv7em-none-eabihf &&
        codec/c/tests/package/check "$target/equalinfo-c"
}

if firmware_ready; then
    # rustfmt follows modules, and some of them are generated here.
    step 'streams and models for the firmware' firmware-example/prepare
    step 'format of the firmware' cargo fmt --manifest-path firmware-example/Cargo.toml --all --check
    step 'lints of the firmware' cargo clippy --manifest-path firmware-example/Cargo.toml \
        -p equalinfo-firmware-checker --quiet -- -D warnings
    brief=(--brief)
    [ "$ALL" = false ] || brief=()
    step 'firmware in QEMU: text, panics, damage, budgets' env "${firmware_environment[@]}" \
        cargo run --quiet --manifest-path firmware-example/Cargo.toml -p equalinfo-firmware-checker -- "${brief[@]}"
    step 'C example on this machine' check_c_example host
    step 'C example of telemetry on this machine' check_c_telemetry host
    if have arm-none-eabi-gcc || install gcc-arm-none-eabi; then
        step 'C example on a Cortex-M3 in QEMU' check_c_example cortex-m3
        step 'C example on a Cortex-M4 in QEMU' check_c_example cortex-m4
        step 'C example on a Cortex-M4 without hard floats' check_c_example cortex-m4-soft
        step 'C example of telemetry on a Cortex-M4 in QEMU' check_c_telemetry cortex-m4
        if have cmake || install cmake make; then
            step 'C library as a package of CMake, hard and soft floats' check_c_package
        else
            skip 'C library as a package of CMake' 'needs the packages cmake and make'
        fi
    else
        skip 'C example on Cortex-M' 'needs the package gcc-arm-none-eabi'
    fi
else
    skip 'firmware in QEMU' 'needs qemu-system-arm, qemu-system-misc and a Rust for thumbv6m, thumbv7m, thumbv7em, riscv32imc'
fi
