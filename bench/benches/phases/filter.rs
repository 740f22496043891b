//! *filter*: the answer to `tools/list`, parsed, asked about tool by tool and cut; and a masking pass over an answer in which
//! nothing is to be masked.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use doorward::{
    catalogue,
    model::{ClientCapabilities, Decider, Dropped, Tally},
    pipeline::filter::{
        Bounds, Expected, Screen, Screened,
        masking::{Masking, detectors},
    },
};
use doorward_message::{Id, Json, Limits, Method, Revision};

use crate::{
    authorize::decider,
    messages::{call, list},
    now,
};

/// Counts nothing.
struct Uncounted;

impl Tally for Uncounted {
    fn dropped(&self, _: Dropped) {}

    fn redacted(&self, _: &'static str, _: usize) {}

    fn list_changed(&self) {}
}

/// A screen for the answer to one `tools/list`.
fn screen(decider: Arc<dyn Decider>, limits: Arc<Limits>) -> Screen {
    let expected = Expected {
        id: Some(Id::number(1)),
        method: Some(Method::ToolsList),
        revision: Revision::V2026_07_28,
        progress_token: None,
        wants_logs: false,
        capabilities: ClientCapabilities::read(None),
        session: None,
        sealing: None,
    };
    let bounds = Bounds { messages: limits, description_bytes_max: catalogue::DESCRIPTION_BYTES_MAX };
    Screen::new(expected, decider, Masking::default(), bounds, Arc::new(Uncounted))
}

fn passed(screened: Result<Screened, doorward::model::Fault>) -> Option<Bytes> {
    match screened {
        Ok(Screened::Pass { bytes, .. }) => Some(bytes),
        _ => None,
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("filter");
    let (decider, limits) = (Arc::new(decider()), Arc::new(Limits::default()));
    let new = || screen(Arc::<_>::clone(&decider) as Arc<dyn Decider>, Arc::clone(&limits));
    let body = list();
    let kept = passed(now(new().message(body.clone()))).expect("the list passes");
    assert!(kept.len() < body.len() && !kept.is_empty(), "some tools are hidden");
    group.throughput(Throughput::Bytes(body.len().try_into().unwrap_or(u64::MAX)));
    group.bench_function("list of 50 tools", |bencher| {
        bencher.iter_batched(
            new,
            |mut screen| passed(now(screen.message(black_box(&body).clone()))),
            BatchSize::SmallInput,
        );
    });
    let masking = Masking::new(detectors::all());
    let json = Json::parse(call(1024), &limits).expect("the message is valid");
    let masked = now(masking.apply(&json)).expect("no detector fails");
    assert!(masked.redactions.is_empty(), "nothing matches");
    group.throughput(Throughput::Bytes(json.bytes().len().try_into().unwrap_or(u64::MAX)));
    group.bench_function("masking 1 KiB without a match", |bencher| {
        bencher.iter(|| now(masking.apply(black_box(&json))).is_ok());
    });
    group.finish();
}
