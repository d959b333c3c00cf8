//! Spans for an OTLP collector (OpenTelemetry protocol 1, protobuf over HTTP), and the `traceparent` header that ties the spans of
//! several programs together (W3C Trace Context, level 1).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter as Export,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

/// The header that carries a trace from program to program.
pub const TRACEPARENT: &str = "traceparent";

/// Programs whose spans are sent. Those of the HTTP client would tell of the sending itself, without end.
const TARGETS: [&str; 2] = ["subnet_miner", "subnet_validator"];

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// The collector, `http://ADDRESS:PORT`; spans are posted to `/v1/traces` there. Empty: no traces are sent. Default "".
    pub otlp_endpoint: String,
    /// Spans that may wait to be sent; more are dropped. Default 2048.
    pub queue_spans_max: NonZeroUsize,
    /// Time between two sendings, in milliseconds. Default 1000.
    pub send_interval_ms: u64,
    /// Longest time for one sending, in milliseconds. Default 5000.
    pub send_ms_max: u64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        const QUEUE: NonZeroUsize = NonZeroUsize::new(2_048).expect("not zero");
        Self {
            otlp_endpoint: String::new(),
            queue_spans_max: QUEUE,
            send_interval_ms: 1_000,
            send_ms_max: 5_000,
        }
    }
}

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// Another scheme.
    #[error("only http:// is spoken to a collector; run one on this machine that forwards by TLS")]
    Scheme,
    /// There is nothing to send with.
    #[error("traces are sent from within an asynchronous runtime")]
    Runtime,
    /// The address is none.
    #[error("it is no address")]
    Endpoint(#[source] ExporterBuildError),
}

/// The way of this process's spans to the collector.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    program: &'static str,
    send_max: Duration,
}

/// The exporter's HTTP client wants a tokio runtime, and the thread that exports has none.
#[derive(Debug)]
struct OnRuntime {
    exporter: Arc<SpanExporter>,
    runtime: Handle,
}

impl Export for OnRuntime {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exporter = Arc::clone(&self.exporter);
        let sent = self.runtime.spawn(async move { exporter.export(batch).await }).await;
        sent.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?
    }
}

impl Traces {
    /// Nothing where no collector is named.
    pub fn start(program: &'static str, config: &TelemetryConfig) -> Result<Option<Self>, TracesError> {
        let endpoint = config.otlp_endpoint.trim_end_matches('/');
        if endpoint.is_empty() {
            return Ok(None);
        }
        if !endpoint.starts_with("http://") {
            return Err(TracesError::Scheme);
        }
        let runtime = Handle::try_current().map_err(|_| TracesError::Runtime)?;
        let send_max = Duration::from_millis(config.send_ms_max);
        let resource = Resource::builder_empty().with_service_name(program).build();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_timeout(send_max)
            .build()
            .map_err(TracesError::Endpoint)?;
        exporter.set_resource(&resource);
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(config.queue_spans_max.get())
            .with_max_export_batch_size(config.queue_spans_max.get().min(512))
            .with_scheduled_delay(Duration::from_millis(config.send_interval_ms.max(1)))
            .build();
        let exporter = OnRuntime { exporter: Arc::new(exporter), runtime };
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let provider =
            SdkTracerProvider::builder().with_resource(resource).with_span_processor(processor).build();
        Ok(Some(Self { provider, program, send_max }))
    }

    /// What gives spans of our programs to the collector.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static>(
        &self,
    ) -> impl Layer<S> + use<S> {
        let ours = Targets::new().with_targets(TARGETS.map(|target| (target, LevelFilter::INFO)));
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(self.program))
            .with_location(false)
            .with_threads(false)
            .with_target(false);
        layer.with_filter(ours)
    }

    pub async fn shutdown(self) {
        let Self { provider, send_max, .. } = self;
        // The last batch is sent by this runtime: its threads must not be the ones that wait.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(send_max)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The `traceparent` of the current span, for the next program. Nothing where no traces are sent.
pub fn traceparent() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    let known = span.span_context();
    known
        .is_valid()
        .then(|| format!("00-{}-{}-{:02x}", known.trace_id(), known.span_id(), known.trace_flags().to_u8()))
}

/// Makes a span that has just begun a part of the trace that a caller names. What is no `traceparent` is passed over.
pub fn join(span: &Span, traceparent: Option<&str>) {
    if let Some(parent) = traceparent.and_then(parse) {
        // Without traces there is nothing to be part of.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { return None };
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if version != "00" || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_taken_only_in_its_exact_form() {
        // The example of the W3C recommendation.
        let example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let found = parse(example).unwrap();
        assert_eq!(found.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(found.span_id().to_string(), "00f067aa0ba902b7");
        assert!(found.is_sampled() && found.is_remote());
        for wrong in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn without_a_collector_nothing_is_sent_and_tls_is_refused_by_name() {
        assert!(Traces::start("x", &TelemetryConfig::default()).unwrap().is_none());
        let tls = TelemetryConfig { otlp_endpoint: "https://collector".into(), ..TelemetryConfig::default() };
        assert!(matches!(Traces::start("x", &tls), Err(TracesError::Scheme)));
    }
}
