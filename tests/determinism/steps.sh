# Sourced by tests/run, whose functions it uses: the golden vectors on every kind of machine.

GOLDEN=$PWD/tests/determinism/golden.txt
export EQUALINFO_LEXICONS=$PWD/target/determinism

# Target, Debian's names of its compiler and of its architecture, emulator.
LINUX_MACHINES=(
    'i686-unknown-linux-gnu i686-linux-gnu i386 qemu-i386'
    'aarch64-unknown-linux-gnu aarch64-linux-gnu arm64 qemu-aarch64'
    'armv7-unknown-linux-gnueabihf arm-linux-gnueabihf armhf qemu-arm'
    'riscv64gc-unknown-linux-gnu riscv64-linux-gnu riscv64 qemu-riscv64'
    's390x-unknown-linux-gnu s390x-linux-gnu s390x qemu-s390x'
    'powerpc64-unknown-linux-gnu powerpc64-linux-gnu ppc64 qemu-ppc64'
)
# Target, Debian's package of its emulator, and that with its options.
BOARDS=(
    'thumbv6m-none-eabi qemu-system-arm qemu-system-arm -M microbit'
    'thumbv7em-none-eabi qemu-system-arm qemu-system-arm -M mps2-an386'
    'riscv32imc-unknown-none-elf qemu-system-misc qemu-system-riscv32 -M virt -bios none'
)
PROGRAMS=(coders fixed nano window_code optimal)

# The tail of every pipe below: the vectors that arrive are the golden ones.
same_vectors() { diff "$GOLDEN" - && printf 'vectors: %s\n' "$(sha256sum <"$GOLDEN" | cut -c 1-16)..."; }

# set_for TARGET VARIABLE VALUE: as Cargo's configuration for one target.
set_for() {
    local target=${1^^}
    export "CARGO_TARGET_${target//-/_}_$2=$3"
}

vectors_here() { cargo run --quiet -p equalinfo-determinism "$@" -- "$EQUALINFO_LEXICONS" | same_vectors; }

vectors_on_linux() { # TARGET CARGO-OPTIONS...
    local target=$1
    shift
    cross_cargo "$target" std,panic_abort run --quiet -p equalinfo-determinism "$@" -- "$EQUALINFO_LEXICONS" | same_vectors
}

vectors_on_board() { # TARGET CARGO-OPTIONS...
    local target=$1
    shift
    local options=(--quiet --manifest-path tests/determinism/bare-metal/Cargo.toml "$@")
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
    cross_cargo "$target" core,alloc build "${options[@]}" &&
        for program in "${PROGRAMS[@]}"; do
            cross_cargo "$target" core,alloc run "${options[@]}" --bin "$program" || return 1
        done | same_vectors
}

# The command that the README gives for a user's own machine, built with checks of overflow.
step 'equalinfo verify' "$EQUALINFO" verify
step 'lexicons of the golden vectors' tests/determinism/lexicons "$EQUALINFO_LEXICONS"
step 'vectors in a debug build' vectors_here
for feature in "${CODEC_FEATURES[@]}"; do
    step "vectors with $feature alone" vectors_here --release --features "$feature"
done

for machine in "${LINUX_MACHINES[@]}"; do
    read -r target compiler architecture emulator <<<"$machine"
    if { { have "$emulator" && have "$compiler-gcc"; } ||
        install qemu-user "gcc-$compiler" "libc6-dev-$architecture-cross"; } && can_build_for "$target"; then
        set_for "$target" LINKER "$compiler-gcc"
        set_for "$target" RUNNER "timeout 300 $emulator -L /usr/$compiler"
        step "vectors on $target" vectors_on_linux "$target" --release
        step "vectors on $target, all features, with checks" vectors_on_linux "$target" --profile checked --all-features
    else
        skip "vectors on $target" "needs the packages qemu-user gcc-$compiler libc6-dev-$architecture-cross, and a Rust for it"
    fi
done

for board in "${BOARDS[@]}"; do
    read -r target package emulator <<<"$board"
    if { have "${emulator%% *}" || install "$package"; } && can_build_for "$target"; then
        set_for "$target" RUNNER "timeout 300 $emulator -nographic -monitor none -serial none -semihosting-config enable=on,target=native -kernel"
        step "vectors on $target" vectors_on_board "$target" --release
        step "vectors on $target, all features, with checks" vectors_on_board "$target" --profile checked --all-features
    else
        skip "vectors on $target" "needs the package $package, and a Rust for it"
    fi
done

vectors_on_wasm() { # PROFILE
    # The directory of the profile dev has a name of its own.
    local folder=${1/#dev/debug}
    cross_cargo wasm32-unknown-unknown std,panic_abort build --quiet -p equalinfo-web --profile "$1" &&
        node tests/determinism/vectors.mjs "$(built wasm32-unknown-unknown)/$folder/equalinfo_web.wasm" "$EQUALINFO_LEXICONS" | same_vectors
}

# built TARGET: where cross_cargo puts what it builds for a target.
built() {
    if has_target "$1"; then printf %s "${CARGO_TARGET_DIR:-$PWD/target}/$1"; else printf %s "$PWD/target/debian/$1"; fi
}

page_in_browser() { # BROWSER
    local directory=$PWD/target/web sample=host/web/sample.txt width
    mkdir -p "$directory"
    [ -d "$directory/node_modules/puppeteer-core" ] ||
        npm install --prefix "$directory" --no-fund --no-audit --silent puppeteer-core@24 || return 1
    WASM=$(built wasm32-unknown-unknown)/web/equalinfo_web.wasm host/web/build "$directory/equalinfo.html" &&
        cp "$sample" "$directory/sample.txt" &&
        head -c 600 tests/data/short/sms.txt >"$directory/file.txt" &&
        "$EQUALINFO" compress -q -f --model nano --method equal-info --window-bits 64 --block-size 128 -o "$directory/file.eqi" "$directory/file.txt" &&
        for width in 16 24 32 64 128; do
            printf '"%s bits":%s\n' "$width" "$("$EQUALINFO" inspect --json --model micro --window-bits "$width" "$sample" | wc -l)"
        done | paste -sd , | sed 's/.*/{&}/' >"$directory/windows.json" &&
        node host/web/check.mjs "$directory/equalinfo.html" "$1" "$directory"
}

# Whatever browser there is under a usual name, else Debian's.
browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

if { have node || install nodejs; } && can_build_for wasm32-unknown-unknown; then
    step 'vectors on wasm32 (node)' vectors_on_wasm web
    step 'vectors on wasm32 (node), with checks' vectors_on_wasm checked
    if { browser >/dev/null || install chromium; } && { have npm || install npm; }; then
        step 'page with the decoder in Chromium' page_in_browser "$(browser)"
    else
        skip 'page with the decoder' 'needs the packages chromium and npm'
    fi
else
    skip 'vectors on wasm32' 'needs the package nodejs, and a Rust for it'
fi
