# Part of tests/run, sourced there for its functions: the codec on foreign machines. Every kind of machine (32 and 64
# bits, both byte orders, ARM, RISC-V, WebAssembly) computes the golden vectors.
#
# Each machine is built once, in the profile `foreign`: optimised, with checks of overflow, all features. --all also
# builds each as users do, in a release build without features, runs machines of kinds that are there already, and all
# tests of the codec on s390x, which is big-endian.

CODEC_FEATURES=(defmt embedded-io embedded-io-async embedded-storage heapless)
LIBRARY_FEATURES=('' corpora parquet shards subwords store cuda)
GOLDEN=$PWD/tests/determinism/golden.txt
export EQUALINFO_LEXICONS=$target/determinism

# Target, Debian's names of its compiler and of its architecture, emulator.
LINUX_MACHINES=(
    's390x-unknown-linux-gnu s390x-linux-gnu s390x qemu-s390x'
    'aarch64-unknown-linux-gnu aarch64-linux-gnu arm64 qemu-aarch64'
)
# Of kinds that are there already: the boards have 32 bits.
[ "$ALL" = true ] && LINUX_MACHINES+=(
    'i686-unknown-linux-gnu i686-linux-gnu i386 qemu-i386'
    'armv7-unknown-linux-gnueabihf arm-linux-gnueabihf armhf qemu-arm'
    'riscv64gc-unknown-linux-gnu riscv64-linux-gnu riscv64 qemu-riscv64'
    'powerpc64-unknown-linux-gnu powerpc64-linux-gnu ppc64 qemu-ppc64'
)
# Target, Debian's package of its emulator, and that with its options.
BOARDS=(
    'thumbv6m-none-eabi qemu-system-arm qemu-system-arm -M mps2-an385'
    'thumbv7em-none-eabi qemu-system-arm qemu-system-arm -M mps2-an386'
    'riscv32imc-unknown-none-elf qemu-system-misc qemu-system-riscv32 -M virt -bios none'
)
PROGRAMS=(coders fixed pico tables window_code optimal)

# Which compiler builds for targets without an installed standard library: rustup adds one when it can, otherwise
# Debian's own Rust, whose package rust-web-src has the library's sources, builds it.
debian_rust() {
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && [ -d /usr/lib/rustlib/src/rust/library ] ||
        install rustc-web cargo-web rust-web-src rust-web-llvm lld-22
    [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src/rust/library ]
}

has_target() {
    local library
    library=$(rustc --print target-libdir --target "$1" 2>/dev/null) && [ -d "$library" ] && [ -n "$(ls "$library")" ]
}

cross_cargo() { # TARGET CRATES SUBCOMMAND ARGUMENTS...
    local triple=$1 crates=$2 subcommand=$3
    shift 3
    if has_target "$triple"; then
        cargo "$subcommand" --target "$triple" "$@"
    else
        RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc /usr/bin/cargo "$subcommand" \
            -Zbuild-std="$crates" --target "$triple" --target-dir "$target/debian" "$@"
    fi
}

# built TARGET: where cross_cargo puts what it builds for a target.
built() { if has_target "$1"; then printf %s "$target/$1"; else printf %s "$target/debian/$1"; fi; }

can_build_for() {
    has_target "$1" && return
    if have rustup; then
        timeout 120 rustup target add "$1" >/dev/null 2>&1 && has_target "$1" && return
    fi
    debian_rust
}

# The tail of every pipe below: the vectors that arrive are the golden ones, but for those of a pattern.
same_vectors() { # [PATTERN]
    diff <(grep -vE "${1:-^$}" "$GOLDEN") - && printf 'vectors: %s\n' "$(sha256sum <"$GOLDEN" | cut -c 1-16)..."
}

# set_for TARGET VARIABLE VALUE: as Cargo's configuration for one target.
set_for() {
    local triple=${1^^}
    export "CARGO_TARGET_${triple//-/_}_$2=$3"
}

vectors_here() { # PROFILE
    cargo run --quiet --profile "$1" -p equalinfo-determinism -- "$EQUALINFO_LEXICONS" | same_vectors
}

vectors_on_linux() { # TARGET CARGO-OPTIONS...
    local triple=$1
    shift
    cross_cargo "$triple" std,panic_abort run --quiet -p equalinfo-determinism "$@" -- "$EQUALINFO_LEXICONS" |
        same_vectors
}

vectors_on_board() { # TARGET CARGO-OPTIONS...
    local triple=$1 program too_large='tables of 16 MiB'
    shift
    [ "${triple%%-*}" = thumbv6m ] && too_large='tables of (16|64|256|1) |with tables'
    local options=(--quiet --manifest-path tests/determinism/bare-metal/Cargo.toml "$@")
    export CARGO_TARGET_DIR=$target
    cross_cargo "$triple" core,alloc build "${options[@]}" &&
        for program in "${PROGRAMS[@]}"; do
            cross_cargo "$triple" core,alloc run "${options[@]}" --bin "$program" || return 1
        done | same_vectors "$too_large"
}

vectors_on_wasm() { # PROFILE
    cross_cargo wasm32-unknown-unknown std,panic_abort build --quiet -p equalinfo-web --profile "$1" &&
        node tests/determinism/vectors.mjs "$(built wasm32-unknown-unknown)/$1/equalinfo_web.wasm" \
            "$EQUALINFO_LEXICONS" | same_vectors
}

codec_tests_on() { # TARGET
    # A few cases of property tests: all of them run on this machine.
    PROPTEST_CASES=16 cross_cargo "$1" std,panic_abort test -p equalinfo-codec --profile foreign --quiet --lib --tests
}

# The library's own loops (NEON, with dot products and without) beside the codec's. Threads are the same on any machine
# and slow in an emulator.
engine_tests_on() { # TARGET
    cross_cargo "$1" std,panic_unwind test -p equalinfo --profile foreign --quiet --lib engine::tests -- --skip threads
}

page_in_browser() { # BROWSER
    local directory=$target/web sample=host/web/sample.txt width
    mkdir -p "$directory"
    [ -d "$directory/node_modules/puppeteer-core" ] ||
        npm install --prefix "$directory" --no-fund --no-audit --silent puppeteer-core@24 || return 1
    WASM=$(built wasm32-unknown-unknown)/web/equalinfo_web.wasm host/web/build "$directory/equalinfo.html" &&
        cp "$sample" "$directory/sample.txt" &&
        head -c 10000 tests/data/short/sms.txt >"$directory/file.txt" &&
        "$EQUALINFO" compress -q -f --model nano --method equal-info --window-bits 64 --block-size 4K \
            -o "$directory/file.eqi" "$directory/file.txt" &&
        "$EQUALINFO" inspect --json "$directory/file.eqi" >"$directory/file.json" &&
        "$EQUALINFO" compress -q -f --model micro --method ac -o "$directory/sample.eqi" "$sample" &&
        for width in 16 24 32 64 128; do
            printf '"%s bits":%s\n' "$width" \
                "$("$EQUALINFO" inspect --json --model micro --window-bits "$width" "$sample" | wc -l)"
        done | paste -sd , | sed 's/.*/{&}/' >"$directory/windows.json" &&
        node host/web/check.mjs "$directory/equalinfo.html" "$1" "$directory"
}

# Whatever browser there is under a usual name, else Debian's.
browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

# The decoder in C99: what the tool compresses, decoded on this machine under sanitizers and on a big-endian one; with
# --all on machines of 32 bits and of 16, and its code for microcontrollers.
c99_decoder() {
    if { have gcc || install gcc; } && { have python3 || install python3-minimal; }; then
        step 'C99 decoder: every kind of input, and damage' codec/c99/check here
    else
        skip 'C99 decoder' 'needs the packages gcc and python3-minimal'
        return
    fi
    if { have qemu-s390x && have s390x-linux-gnu-gcc; } ||
        install qemu-user gcc-s390x-linux-gnu libc6-dev-s390x-cross; then
        step 'C99 decoder on s390x' codec/c99/check s390x
    else
        skip 'C99 decoder on s390x' 'needs the packages qemu-user gcc-s390x-linux-gnu libc6-dev-s390x-cross'
    fi
    if have cmake || install cmake make; then
        step 'C99 decoder as a package: CMake, Zephyr, ESP-IDF' codec/c99/check package
        [ "$ALL" = false ] || step 'C99 decoder, packed by PlatformIO and for ESP-IDF' codec/c99/check packers
    else
        skip 'C99 decoder as a package of CMake' 'needs the packages cmake and make'
    fi
    [ "$ALL" = true ] || return 0
    if { have qemu-arm && have i686-linux-gnu-gcc && have arm-linux-gnueabihf-gcc; } ||
        install qemu-user gcc-i686-linux-gnu libc6-dev-i386-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross; then
        step 'C99 decoder on i686 and armv7' codec/c99/check i686 arm
    else
        skip 'C99 decoder on i686 and armv7' 'needs the packages qemu-user gcc-i686-linux-gnu gcc-arm-linux-gnueabihf'
    fi
    local bare=(gcc-arm-none-eabi gcc-riscv64-unknown-elf gcc-xtensa-lx106 gcc-avr avr-libc simavr)
    if { have arm-none-eabi-gcc && have riscv64-unknown-elf-gcc && have xtensa-lx106-elf-gcc && have simavr &&
        have avr-gcc; } || install "${bare[@]}"; then
        step 'C99 decoder for microcontrollers, and on an AVR' codec/c99/check sizes avr
    else
        skip 'C99 decoder for microcontrollers' "needs the packages ${bare[*]}"
    fi
}

machines() {
    local machine board triple compiler architecture emulator package
    # The command that the README gives for a user's own machine.
    step 'equalinfo verify' "$EQUALINFO" verify
    step 'lexicons of the golden vectors' tests/determinism/lexicons "$EQUALINFO_LEXICONS"
    step 'vectors here, with checks' vectors_here test
    if [ "$ALL" = true ]; then step 'vectors here' vectors_here release; fi

    for machine in "${LINUX_MACHINES[@]}"; do
        read -r triple compiler architecture emulator <<<"$machine"
        if { { have "$emulator" && have "$compiler-gcc"; } ||
            install qemu-user "gcc-$compiler" "libc6-dev-$architecture-cross"; } && can_build_for "$triple"; then
            set_for "$triple" LINKER "$compiler-gcc"
            set_for "$triple" RUNNER "timeout 300 $emulator -L /usr/$compiler"
            step "vectors on $triple" vectors_on_linux "$triple" --profile foreign --all-features
            if [ "$architecture" = arm64 ]; then
                if have "$compiler-g++" || install "g++-$compiler"; then
                    step "engine on $triple" engine_tests_on "$triple"
                else
                    skip "engine on $triple" "needs the package g++-$compiler"
                fi
            fi
            [ "$ALL" = true ] || continue
            step "vectors on $triple, release" vectors_on_linux "$triple" --release
            if [ "$architecture" = s390x ]; then step "tests of the codec on $triple" codec_tests_on "$triple"; fi
        else
            skip "vectors on $triple" "needs the packages qemu-user gcc-$compiler libc6-dev-$architecture-cross, and a Rust for it"
        fi
    done

    c99_decoder

    for board in "${BOARDS[@]}"; do
        read -r triple package emulator <<<"$board"
        if { have "${emulator%% *}" || install "$package"; } && can_build_for "$triple"; then
            set_for "$triple" RUNNER "timeout 300 $emulator -nographic -monitor none -serial none -semihosting-config enable=on,target=native -kernel"
            step "vectors on $triple" vectors_on_board "$triple" --profile checked --all-features
            if [ "$ALL" = true ]; then step "vectors on $triple, release" vectors_on_board "$triple" --release; fi
        else
            skip "vectors on $triple" "needs the package $package, and a Rust for it"
        fi
    done

    if { have node || install nodejs; } && can_build_for wasm32-unknown-unknown; then
        step 'vectors on wasm32 (node)' vectors_on_wasm web
        if [ "$ALL" = true ]; then step 'vectors on wasm32 (node), with checks' vectors_on_wasm foreign; fi
        if { browser >/dev/null || install chromium; } && { have npm || install npm; }; then
            step 'page with the decoder in Chromium' page_in_browser "$(browser)"
        else
            skip 'page with the decoder' 'needs the packages chromium and npm'
        fi
    else
        skip 'vectors on wasm32' 'needs the package nodejs, and a Rust for it'
    fi
}
