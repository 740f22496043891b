//! How long the reference server's store searches over many documents.
//!
//! In: how many documents, and where. Out: median, 95th percentile and maximum by class of query, through the same
//! `DocumentStore` that the server's tool uses, snippets included, in one process and one after the other.

mod corpus;
mod queries;

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_reference_server::storage::{
    Limits, SearchText, Store,
    backup::{BackupError, Record},
    location::{Location, Named},
    postgres::Access,
};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
    compare::{
        report::{self, Bar, Machine, Report},
        store as write_report, table,
    },
    error::{Error, Result},
};
use corpus::Corpus;
use queries::Class;

/// Of all queries, milliseconds.
const AT_MOST: f64 = 20.0;

const TITLES: [&str; 6] = ["queries", "number", "hits", "median ms", "p95 ms", "max ms"];

#[derive(Debug, Clone, clap::Args, Serialize)]
pub(crate) struct Args {
    /// Documents
    #[arg(long, default_value_t = 100_000)]
    documents: u32,
    /// Queries of each class
    #[arg(long, default_value_t = 60)]
    queries: usize,
    /// Hits asked for: what the tool gives where nothing is said
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Seed of the documents and the queries
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// SQLite file or postgres:// URL; documents that are there already are taken for the ones of this seed
    /// (default: a SQLite file that is gone at the end)
    #[arg(long)]
    #[serde(skip)]
    database: Option<OsString>,
    /// Print every query that took longer than this, in milliseconds
    #[arg(long)]
    slow_ms: Option<f64>,
    /// Where the figures go as JSON
    #[arg(long, default_value = "bench-search.json")]
    json: PathBuf,
}

/// One line of the report; times in milliseconds.
#[derive(Debug, Serialize)]
struct Row {
    class: &'static str,
    queries: usize,
    /// Median, at most the limit.
    hits: usize,
    median_ms: f64,
    p95_ms: f64,
    max_ms: f64,
}

/// Runs the subcommand. A bar that does not hold is told, and no error.
pub(crate) async fn run(args: &Args) -> Result<()> {
    if args.documents == 0 || args.queries == 0 {
        return Err(Error::TooSmall { what: "--documents and --queries", least: 1 });
    }
    let (machine, started_unix_s) = (Machine::here(), report::unix_s());
    let scratch = tempfile::tempdir().map_err(Error::io("make a temporary folder"))?;
    let name = args.database.clone().unwrap_or_else(|| scratch.path().join("documents.db").into());
    let location = Location::of(Some(&Named::from(name)), &Access::default())?;
    let store = location.open(Limits::default()).await?;
    let corpus = Arc::new(Corpus::new(args.seed, args.documents));
    fill(&*store, &corpus).await?;
    let rows = measure(args, &*store, &corpus).await?;
    store.close().await;
    let all = rows.first().map_or(f64::NAN, |row| row.median_ms);
    let bars = vec![Bar::new("median of all queries, ms", all, AT_MOST)];
    println!("{}\n\n{}", machine.line(), table::aligned(&TITLES, 1, rows.iter().map(line).collect()));
    bars.iter().for_each(|bar| println!("{}", bar.line()));
    let (commit, profile) = (report::commit(), report::profile());
    let (settings, command) = (args.clone(), std::env::args().collect());
    write_report(&args.json, &Report { commit, started_unix_s, command, profile, machine, settings, rows, bars })
}

/// Puts the documents into an empty store; leaves one alone that holds something.
async fn fill(store: &dyn Store, corpus: &Arc<Corpus>) -> Result<()> {
    let started = Instant::now();
    let (send, receive) = mpsc::channel(16);
    let making = {
        let corpus = Arc::clone(corpus);
        tokio::task::spawn_blocking(move || {
            for number in 0..corpus.documents() {
                let document = corpus.document(number).map_err(Error::Path)?;
                if send.blocking_send(Record::Document(document)).is_err() {
                    return Ok(());
                }
            }
            let _gone = send.blocking_send(Record::End);
            Ok::<(), Error>(())
        })
    };
    let loaded = store.load(receive).await;
    making.await.unwrap_or(Ok(()))?;
    match loaded {
        Ok(()) => eprintln!("{} documents stored in {:.1} s", corpus.documents(), started.elapsed().as_secs_f64()),
        Err(BackupError::NotEmpty) => eprintln!("the documents that are there are searched"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Every query once unmeasured, so that the system has the file at hand, then once measured. The first row is all of them.
async fn measure(args: &Args, store: &dyn Store, corpus: &Corpus) -> Result<Vec<Row>> {
    let mut random = fastrand::Rng::with_seed(args.seed);
    let (mut rows, mut all) = (vec![], vec![]);
    for class in Class::ALL {
        let asked: Vec<_> = (0..args.queries).map(|_| class.query(corpus, &mut random)).collect::<Result<Vec<_>>>()?;
        let mut taken = vec![];
        for (measured, (text, filter)) in
            asked.iter().map(|query| (false, query)).chain(asked.iter().map(|query| (true, query)))
        {
            let started = Instant::now();
            let page = store.search(&SearchText::parse(text)?, filter, args.limit).await?;
            let elapsed = started.elapsed();
            if measured {
                taken.push((elapsed, page.items.len()));
                if args.slow_ms.is_some_and(|slow| milliseconds(elapsed) > slow) {
                    eprintln!("{:.1} ms, {} hits: {text} {filter:?}", milliseconds(elapsed), page.items.len());
                }
            }
        }
        all.extend_from_slice(&taken);
        rows.push(row(class.label(), taken));
    }
    rows.insert(0, row("all", all));
    Ok(rows)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn row(class: &'static str, mut taken: Vec<(Duration, usize)>) -> Row {
    let mut hits: Vec<usize> = taken.iter().map(|(_, hits)| *hits).collect();
    hits.sort_unstable();
    taken.sort_unstable();
    let at = |percent: usize| {
        let place = (taken.len() * percent).div_ceil(100).saturating_sub(1);
        taken.get(place).map_or(0.0, |(time, _)| milliseconds(*time))
    };
    let hits = hits.get(hits.len() / 2).copied().unwrap_or_default();
    Row { class, queries: taken.len(), hits, median_ms: at(50), p95_ms: at(95), max_ms: at(100) }
}

fn line(row: &Row) -> [String; TITLES.len()] {
    let time = |time: f64| format!("{time:.1}");
    [
        row.class.to_owned(),
        row.queries.to_string(),
        row.hits.to_string(),
        time(row.median_ms),
        time(row.p95_ms),
        time(row.max_ms),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_holds_percentiles_by_nearest_rank() {
        let taken = (1..=100).rev().map(|ms| (Duration::from_millis(ms), 3)).collect();
        let row = row("x", taken);
        assert_eq!((row.median_ms, row.p95_ms, row.max_ms, row.hits), (50.0, 95.0, 100.0, 3));
    }
}
