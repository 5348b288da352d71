//! `fit`: which decoder a chip has room for, how long it takes, and from which size of text on it pays.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use equalinfo::strings::StringTableBuilder;
use equalinfo::{CodingModel, Compressor, Model, StreamMethod, WindowBits, read_file};
use equalinfo_codec::mix::Class;

use super::options::{positive, size};
use super::table::{Table, grouped, number};
use super::{messages, standard};

/// The tables that the firmware checker prints (firmware-example/README.md): of decoders, and of single functions.
const MEASURED: &str = include_str!("measured.md");

/// Real cores spend 1 to 2 cycles on an instruction, by the speed of their flash.
const CYCLES_PER_INSTRUCTION: f64 = 1.5;

/// Options of `fit`.
#[derive(Debug, Clone, Args)]
pub struct FitArguments {
    /// A text that the device is to hold: what it takes by every decoder
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// A chip, which sets the core, and flash, RAM and clock where they are not given; any other name lists those known
    #[arg(long, value_name = "NAME", value_parser = chip)]
    pub chip: Option<&'static Chip>,

    /// The core: m0, m3, m4 or rv32
    #[arg(long, value_name = "CORE", value_parser = core, required_unless_present = "chip", conflicts_with = "chip")]
    pub core: Option<&'static str>,

    /// Flash that is free for the decoder and its texts (suffixes K, M)
    #[arg(long, value_name = "BYTES", value_parser = size, required_unless_present = "chip")]
    pub flash: Option<u64>,

    /// RAM that is free for the decoder, its stack included (suffixes K, M)
    #[arg(long, value_name = "BYTES", value_parser = size, required_unless_present = "chip")]
    pub ram: Option<u64>,

    /// Clock in MHz
    #[arg(long, value_name = "MHZ", value_parser = positive::<f64>, required_unless_present = "chip")]
    pub clock: Option<f64>,
}

/// A chip, with all its memory.
#[derive(Debug)]
pub struct Chip {
    name: &'static str,
    core: &'static str,
    flash: u64,
    ram: u64,
    megahertz: f64,
}

const fn chip_of(name: &'static str, core: &'static str, flash_kib: u64, ram_kib: u64, megahertz: f64) -> Chip {
    Chip { name, core, flash: flash_kib << 10, ram: ram_kib << 10, megahertz }
}

/// Common chips; Cortex-M33 and M7 run the loops of the M4, Cortex-M0+ those of the M0.
static CHIPS: [Chip; 14] = [
    chip_of("nrf51822", "m0", 256, 16, 16.0),
    chip_of("stm32f072rb", "m0", 128, 16, 48.0),
    chip_of("samd21g18", "m0", 256, 32, 48.0),
    chip_of("rp2040", "m0", 2048, 264, 133.0),
    chip_of("stm32f103c8", "m3", 64, 20, 72.0),
    chip_of("stm32l152re", "m3", 512, 80, 32.0),
    chip_of("nrf52832", "m4", 512, 64, 64.0),
    chip_of("nrf52840", "m4", 1024, 256, 64.0),
    chip_of("stm32f405rg", "m4", 1024, 192, 168.0),
    chip_of("stm32l476rg", "m4", 1024, 128, 80.0),
    chip_of("rp2350", "m4", 4096, 520, 150.0),
    chip_of("esp32c3", "rv32", 4096, 400, 160.0),
    chip_of("ch32v307", "rv32", 256, 64, 144.0),
    chip_of("gd32vf103", "rv32", 128, 32, 108.0),
];

/// Cores, and what the table calls them.
const CORES: [(&str, &str); 4] = [("m0", "Cortex-M0"), ("m3", "Cortex-M3"), ("m4", "Cortex-M4"), ("rv32", "RV32IMC")];

fn chip(name: &str) -> Result<&'static Chip, String> {
    let found = CHIPS.iter().find(|chip| chip.name.eq_ignore_ascii_case(name));
    let names = || CHIPS.iter().map(|chip| chip.name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("expected one of {}; for others --core, --flash, --ram and --clock", names()))
}

fn core(name: &str) -> Result<&'static str, String> {
    let found = CORES.iter().find(|(core, _)| core.eq_ignore_ascii_case(name));
    found.map(|(core, _)| *core).ok_or_else(|| "expected m0, m3, m4 or rv32".to_owned())
}

/// What a decoder was measured to cost on a core.
#[derive(Debug, Clone, PartialEq)]
struct Cost {
    decoder: String,
    image: u64,
    code: u64,
    stack: u64,
    memory: u64,
    instructions: f64,
    /// Instructions that load and check its image, once.
    load: f64,
}

impl Cost {
    /// The name of its model, if it has one.
    fn model(&self) -> Option<&str> {
        match self.decoder.as_str() {
            "lexicon" | "tables" => None,
            "strings" => Some("pico"),
            model => Some(model),
        }
    }
}

/// The cells of a line of a table.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

/// What loading an image was measured to cost on a core: instructions, and bytes of stack.
fn measured_load(core: &str, decoder: &str) -> Option<(f64, u64)> {
    let (function, model) = match decoder {
        "tables" => return Some((0.0, 0)),
        "lexicon" => ("`Lexicon::load`", "-"),
        "strings" => ("`Model::load`", "pico"),
        model => ("`Model::load`", model),
    };
    MEASURED.lines().find_map(|line| {
        let [found, of, place, instructions, _, stack] = cells(line)[..] else { return None };
        let is_it = (found, of) == (function, model) && place.starts_with(core);
        is_it.then(|| Some((instructions.parse::<u32>().ok()?.into(), stack.parse().ok()?)))?
    })
}

/// The rows of the table for a core, one for each decoder.
fn measured(core: &str) -> Vec<Cost> {
    let name = CORES.iter().find(|(known, _)| *known == core).map_or("", |(_, name)| name);
    let mut costs: Vec<Cost> = Vec::new();
    for line in MEASURED.lines() {
        let [decoder, place, _, image, code, _, stack, memory, instructions, _] = cells(line)[..] else { continue };
        if !place.starts_with(name) || costs.iter().any(|cost| cost.decoder == decoder) || decoder == "telemetry" {
            continue;
        }
        let parse = |cell: &str| cell.parse::<u64>().ok();
        if let (Some(image), Some(code), Some(stack), Some(memory), Some(instructions)) =
            (parse(image), parse(code), parse(stack), parse(memory), parse(instructions))
        {
            let Some((load, load_stack)) = measured_load(name, decoder) else { continue };
            // Loading is over before decoding begins.
            let (decoder, stack, instructions) = (decoder.to_owned(), stack.max(load_stack), instructions as f64);
            costs.push(Cost { decoder, image, code, stack, memory, instructions, load });
        }
    }
    costs
}

/// RAM with a context, for a model, or that of the measured program.
fn memory(cost: &Cost, context: usize) -> Result<u64> {
    Ok(match cost.model() {
        Some(model) => {
            let config = Model::shipped(model)?.config();
            let context = context.min(config.context);
            (config.byte_buffer(context) + 4 * config.word_buffer(context)) as u64 + cost.stack
        }
        None => cost.memory,
    })
}

/// What a decoder reads of a text: a stream, or a string table of its lines; `None` if a table cannot hold them.
fn coded(cost: &Cost, text: &[u8], context: usize) -> Result<Option<Vec<u8>>> {
    if let ("strings", Some(model)) = (cost.decoder.as_str(), cost.model()) {
        let Ok(text) = str::from_utf8(text) else { return Ok(None) };
        let texts: Vec<String> = text.lines().map(str::to_owned).collect();
        let model = CodingModel::from(Model::shipped(model)?);
        let table = StringTableBuilder::with_context(&model, context.min(model.context())).language("", &texts);
        return Ok(table.and_then(|table| table.build()).ok());
    }
    let compressor = match cost.decoder.as_str() {
        "lexicon" => {
            let nano = Model::shipped("nano")?;
            Compressor::new(&nano.lexicon(nano.context(), 1)?)
        }
        "tables" => Compressor::new(CodingModel::None).method(StreamMethod::Tables(Class::Kib16)),
        model => {
            let model = Model::shipped(model)?;
            let context = context.min(model.context());
            Compressor::new(model).window_bits(WindowBits::B64).context(context)
        }
    };
    Ok(Some(compressor.compress_to_vec(text)?))
}

/// The longest context of these that fits the RAM.
fn longest_context(cost: &Cost, ram: u64) -> Result<Option<usize>> {
    for context in [128, 64, 32, 16] {
        if memory(cost, context)? <= ram {
            return Ok(Some(context));
        }
    }
    Ok(None)
}

/// Prints what fits.
///
/// # Errors
/// The text cannot be read, or stdout cannot be written.
pub fn run(arguments: &FitArguments) -> Result<()> {
    let chip = arguments.chip;
    let of = |asked: Option<u64>, chip: Option<u64>| asked.or(chip).context("name a chip");
    let core = arguments.core.or(chip.map(|chip| chip.core)).context("name a chip or a core")?;
    let flash = of(arguments.flash, chip.map(|chip| chip.flash))?;
    let ram = of(arguments.ram, chip.map(|chip| chip.ram))?;
    let clock = arguments.clock.or(chip.map(|chip| chip.megahertz)).context("name a chip or a clock")?;
    let text = match &arguments.file {
        Some(path) => Some(read_file(path).with_context(|| format!("{}: cannot read", messages::shown(path)))?),
        None => None,
    };
    let mut header = vec!["decoder", "image", "code", "context", "RAM", "ms/100 bytes", "load ms", "fits"];
    if text.is_some() {
        header.extend(["text", "flash in all", "pays from"]);
    }
    let mut table = Table::new(&header);
    let costs = measured(core);
    let mut notes = String::new();
    if costs.iter().all(|cost| cost.decoder != "tables") {
        notes += "tables: they run on this core, too, but were not measured on it.\n";
    }
    for cost in costs {
        let context = longest_context(&cost, ram)?;
        let needed = memory(&cost, context.unwrap_or(16))?;
        let code = match &text {
            Some(text) => match coded(&cost, text, context.unwrap_or(16))? {
                Some(code) => code.len() as u64,
                None => {
                    notes += "strings: the lines of this text do not make a string table ('equalinfo table build' says why).\n";
                    continue;
                }
            },
            None => 0,
        };
        let in_all = cost.image + cost.code + code;
        let milliseconds = |instructions: f64| instructions * CYCLES_PER_INSTRUCTION / (1e3 * clock);
        let fits = match (context.is_some(), in_all <= flash) {
            (true, true) => "yes",
            (false, true) => "no: RAM",
            (true, false) => "no: flash",
            (false, false) => "no: RAM, flash",
        };
        let mut row = vec![
            cost.decoder.clone(),
            grouped(cost.image),
            grouped(cost.code),
            if cost.model().is_some() { context.unwrap_or(16).to_string() } else { "-".to_owned() },
            grouped(needed),
            number(Some(milliseconds(100.0 * cost.instructions)), 1),
            number(Some(milliseconds(cost.load)), 0),
            fits.to_owned(),
        ];
        if let Some(text) = &text {
            // Of so much text of this kind, its code and the decoder take as much as the text as it is.
            let saved = 1.0 - code as f64 / text.len().max(1) as f64;
            let pays = (saved > 0.0).then(|| grouped(((cost.image + cost.code) as f64 / saved) as u64));
            row.extend([grouped(code), grouped(in_all), pays.unwrap_or_else(|| "never".to_owned())]);
        }
        table.row(row);
    }
    let mut said = format!(
        "{}{}: {} bytes of flash, {} of RAM, {clock} MHz\n",
        chip.map_or_else(String::new, |chip| format!("{}, ", chip.name)),
        CORES.iter().find(|(known, _)| *known == core).map_or("", |(_, name)| name),
        grouped(flash),
        grouped(ram),
    );
    if let Some(text) = &text {
        said += &format!("the text as it is: {} bytes\n", grouped(text.len() as u64));
        notes += "Pays from: text of this kind of so many bytes takes as much flash as its code and the decoder.\n";
    }
    standard::print(format!(
        "{said}\n{}\n{notes}Strings: a string table, of which each line decodes alone. Times at {CYCLES_PER_INSTRUCTION} cycles an instruction; RAM with the stack. Load: checking the whole image, which load_trusting omits.\n",
        table.render()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_has_its_decoders() {
        for (core, _) in CORES {
            let names: Vec<String> = measured(core).into_iter().map(|cost| cost.decoder).collect();
            for expected in ["lexicon", "pico", "strings", "nano"] {
                assert!(names.iter().any(|name| name == expected), "{core}: {names:?}");
            }
            for cost in measured(core) {
                // Every byte of an image goes through a checksum.
                assert!(cost.load >= 8.0 * cost.image as f64, "{core}: {cost:?}");
            }
        }
    }
}
