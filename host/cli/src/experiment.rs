//! `experiment`: from a plan to a report; the work is in [`equalinfo_lab::experiment`].

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use equalinfo::cuda::DeviceChoice;
use equalinfo::tokens::TokenMethod;
use equalinfo_lab::LabError;
use equalinfo_lab::experiment::command::Command;
use equalinfo_lab::experiment::plan::Plan;
use equalinfo_lab::experiment::{Experiment, ExperimentObserver, ExperimentOptions};
use equalinfo_train::m2::Preset;

use super::options::{DEVICES, VerbosityArguments, all_threads, choice};
use super::say;
use super::training::{self, Progress};

/// Options of `experiment`.
///
/// Runs what is missing and continues what was interrupted, whatever ended it; the same command once more only writes the report anew.
#[derive(Debug, Clone, Args)]
pub struct ExperimentArguments {
    /// A shipped plan (smoke, paper-3m, paper-25m, paper-full, paper-seq2seq) or a TOML file
    #[arg(value_name = "NAME|FILE")]
    pub plan: String,

    /// Training text: files, directories or patterns (.txt, .jsonl, .parquet; .gz, .zst, .xz)
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub corpus: Vec<String>,

    /// Held-out text
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub test: Vec<String>,

    /// M1, instead of the plan's
    #[arg(long, value_name = "NAME|PATH")]
    pub model: Option<String>,

    /// Directory of tokens, runs, results and report (default: experiments/NAME)
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,

    /// Where M2 is trained
    #[arg(long, value_name = "DEVICE", value_parser = choice(&DEVICES), default_value = "auto")]
    pub device: DeviceChoice,

    #[command(flatten)]
    pub verbosity: VerbosityArguments,
}

impl ExperimentArguments {
    fn options(&self) -> Result<ExperimentOptions> {
        let mut plan = Plan::load(&self.plan)?;
        if let Some(model) = &self.model {
            plan.m1.clone_from(model);
        }
        let stem = Path::new(&self.plan).file_stem().context("the plan has no name")?;
        Ok(ExperimentOptions {
            plan,
            directory: self.output.clone().unwrap_or_else(|| Path::new("experiments").join(stem)),
            corpus: self.corpus.clone(),
            test: self.test.clone(),
            device: self.device,
            threads: all_threads(),
        })
    }
}

/// Runs an experiment and writes its report.
///
/// # Errors
/// The plan is none, a command of it fails, or it was interrupted.
pub fn run(arguments: &ExperimentArguments) -> Result<()> {
    let options = arguments.options()?;
    let directory = options.directory.clone();
    let experiment = Experiment::new(options).map_err(in_words)?;
    let mut progress = Progress::new(arguments.verbosity.quiet);
    let Some(results) = experiment.run(&mut progress).map_err(in_words)? else {
        bail!("interrupted; the same command goes on where it was");
    };
    let page = experiment.report(&super::command_line(), &results)?.write(&directory)?;
    if !arguments.verbosity.quiet {
        say!("{} results: {}", results.len(), page.display());
    }
    Ok(())
}

/// What can be done about an error.
fn in_words(error: LabError) -> anyhow::Error {
    let advice = match error {
        LabError::Train(error) => return training::in_words(error),
        LabError::SeveralRanks(_) => "start the 'train m2' commands, which the report lists, with the launcher instead",
        LabError::OtherExperiment { .. } => "choose another --output",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}; {advice}")
}

impl ExperimentObserver for Progress {
    fn measuring(&mut self, method: &TokenMethod, preset: Preset, seed: u64) {
        self.say(&format!("experiment: {method}, {preset}, seed {seed}"));
    }

    fn repeating(&mut self, method: &TokenMethod, epochs: f64) {
        self.say(&format!("experiment: {method}: training sees its text {epochs:.1} times; more text would be better"));
    }

    fn preparing(&mut self, method: &TokenMethod, command: &Command) {
        self.say(&format!("experiment: {method}: {}", command.name()));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use equalinfo::corpus::CorpusOptions;
    use equalinfo::lexicon::LexiconKind;
    use equalinfo::tokens::shards::RowLayout;
    use equalinfo::tokens::shards::Source;
    use equalinfo::tokens::{LexiconOf, Reset};
    use equalinfo_lab::experiment::plan::SHIPPED;
    use equalinfo_lab::prepare::{LexiconOptions, ModelFile, SubwordOptions, SubwordTrainer, TokenizeOptions};
    use equalinfo_train::m2::{M2Options, MeasureOptions};
    use equalinfo_train::optimizer::{OptimizerKind, Schedule};
    use equalinfo_train::run::RunControl;

    use super::super::{Cli, Command as Parsed, eval, lexicon, train};
    use super::*;

    /// The step that the tool takes for a command line.
    fn read(line: &str) -> Command {
        let words = shlex::split(line).expect("quotes in pairs");
        match Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}")).command {
            Parsed::Tokenize(arguments) => Command::Tokenize(arguments.options().unwrap()),
            Parsed::Train(train::Train::Unigram(arguments)) => {
                Command::TrainSubwords { options: arguments.options(), output: arguments.subwords.output }
            }
            Parsed::Train(train::Train::Bpe(arguments)) => {
                Command::TrainSubwords { options: arguments.options(), output: arguments.subwords.output }
            }
            Parsed::Train(train::Train::M2(arguments)) => Command::TrainM2(Box::new(arguments.options())),
            Parsed::Lexicon(lexicon::Lexicon::Build(arguments)) => {
                Command::BuildLexicon { options: arguments.options(), output: arguments.output }
            }
            Parsed::Eval(command) => match command.model {
                Some(eval::EvalModel::M2(arguments)) => Command::MeasureM2(arguments.options()),
                None => panic!("{line}: not a step of an experiment"),
            },
            other => panic!("{line}: not a step of an experiment: {other:?}"),
        }
    }

    /// A step without what its command does not show.
    fn shown(mut step: Command) -> Command {
        match &mut step {
            Command::Tokenize(options) => {
                options.threads = 0;
                match &mut options.method {
                    method if method.pieces().is_some() => *method = TokenMethod::Unigram { pieces: 0 },
                    TokenMethod::Lexicon { kind, .. } => *kind = LexiconOf::default(),
                    _ => {}
                }
            }
            Command::BuildLexicon { options, .. } => {
                options.threads = 0;
                if options.corpus.is_empty() {
                    options.limit = 0;
                }
            }
            Command::TrainM2(options) => options.control = RunControl::default(),
            Command::MeasureM2(options) => options.threads = 0,
            Command::TrainSubwords { .. } => {}
        }
        step
    }

    fn assert_reads_back(step: Command) {
        let line = step.to_string();
        assert_eq!(format!("{:?}", shown(read(&line))), format!("{:?}", shown(step)), "{line}");
    }

    #[test]
    fn commands_of_shipped_plans_do_what_the_experiment_does() {
        let mut steps = 0;
        for (name, _) in SHIPPED {
            let options = ExperimentOptions {
                plan: Plan::load(name).unwrap(),
                directory: PathBuf::from("experiments").join(name),
                corpus: vec!["train/*.jsonl.zst".into(), "a b.txt".into()],
                test: vec!["test.jsonl.zst".into()],
                device: DeviceChoice::Cuda,
                threads: 3,
            };
            for method in &options.plan.methods {
                for &preset in &options.plan.presets {
                    for seed in options.plan.seeds() {
                        let commands = options.commands(preset, method, seed, 4.4);
                        steps += commands.len();
                        commands.into_iter().for_each(assert_reads_back);
                    }
                }
            }
        }
        assert!(steps > 200, "{steps}");
    }

    #[test]
    fn options_that_no_plan_sets_are_shown_too() {
        let reading = CorpusOptions {
            text_field: "body".into(),
            lines: true,
            shard: Some("1/3".parse().unwrap()),
            limit: Some(3 << 30),
            skip_bad: 5,
        };
        assert_reads_back(Command::Tokenize(TokenizeOptions {
            files: vec!["it's here.txt".into()],
            reading: reading.clone(),
            output: "out".into(),
            method: TokenMethod::EqualInfo {
                window_bits: 24,
                token_bits: 8,
                code: "delay".into(),
                reset: Reset::Never,
                align: Default::default(),
            },
            model: ModelFile::M1(Some("x.m1q".into())),
            context: Some(9),
            layout: RowLayout::Stream,
            end_of_document: true,
            sequence: 7,
            rows_per_shard: 5,
            tokens: None,
            device: DeviceChoice::Cpu,
            threads: 2,
        }));
        assert_reads_back(Command::Tokenize(TokenizeOptions {
            files: vec!["a.txt".into()],
            output: "out".into(),
            ..TokenizeOptions::default()
        }));
        assert_reads_back(Command::TrainSubwords {
            options: SubwordOptions {
                corpus: vec!["c".into()],
                reading,
                vocabulary: 700,
                trainer: SubwordTrainer::Unigram,
            },
            output: "u.json".into(),
        });
        for superwords in [0, 90] {
            let trainer = SubwordTrainer::Bpe { superwords };
            let options = SubwordOptions { corpus: vec!["c".into()], trainer, ..SubwordOptions::default() };
            assert_reads_back(Command::TrainSubwords { options, output: "b.json".into() });
        }
        assert_reads_back(Command::BuildLexicon {
            options: LexiconOptions {
                kind: LexiconKind::Optimal,
                model: None,
                corpus: vec!["c".into()],
                limit: 12_345,
                context: Some(4),
                threads: 1,
            },
            output: "l.lex".into(),
        });
        assert_reads_back(Command::TrainM2(Box::new(M2Options {
            data: vec!["t".into(), Source { weight: 0.5, ..Source::from("it's") }],
            name: Some("mine".into()),
            preset: Some(Preset::B2),
            optimizer: Some(OptimizerKind::Adamw),
            schedule: Some(Schedule::Constant),
            learning_rate: Some(3e-4),
            warmup: Some(11),
            weight_decay: Some(0.125),
            clip: Some(0.5),
            z_loss: Some(1e-5),
            seed: Some(4),
            recompute: true,
            ..M2Options::default()
        })));
        assert_reads_back(Command::MeasureM2(MeasureOptions {
            checkpoint: "r/checkpoint.safetensors".into(),
            data: "d".into(),
            training_data: vec![Source { weight: 2.0, ..Source::from("t") }, "u".into()],
            model: Some("nano".into()),
            rows: Some(6),
            device: DeviceChoice::Auto,
            threads: 1,
        }));
    }

    #[test]
    fn defaults_are_the_same_everywhere() {
        let step = Command::Tokenize(TokenizeOptions {
            files: vec!["a".into()],
            output: "o".into(),
            ..TokenizeOptions::default()
        });
        assert_eq!(format!("{:?}", read("equalinfo tokenize a -o o")), format!("{step:?}"));
        let step = Command::TrainM2(Box::new(M2Options { data: vec!["t".into()], ..M2Options::default() }));
        assert_eq!(format!("{:?}", read("equalinfo train m2 --data t")), format!("{step:?}"));
        let step = Command::TrainSubwords {
            options: SubwordOptions { corpus: vec!["a".into()], ..SubwordOptions::default() },
            output: "o".into(),
        };
        assert_eq!(format!("{:?}", read("equalinfo train unigram --corpus a -o o")), format!("{step:?}"));
        let step = Command::BuildLexicon { options: LexiconOptions::default(), output: "o".into() };
        assert_eq!(format!("{:?}", read("equalinfo lexicon build -o o")), format!("{step:?}"));
    }
}
