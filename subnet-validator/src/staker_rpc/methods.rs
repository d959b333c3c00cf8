//! The methods, by what they are about, and the list of all of them.

pub(super) mod about;
pub(super) mod audits;
pub(super) mod epochs;
pub(super) mod explain;
pub(super) mod market;
pub(super) mod miners;
pub(super) mod receipts;
pub(super) mod usage;
pub(super) mod validators;
pub(super) mod weights;

use schemars::JsonSchema;
use serde::Serialize;

use super::registry::{Method, at_chain, at_market, plain};
use super::topics::{Subscription, Topic};
use super::watch;

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PageOf{T}")]
pub(super) struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Give it as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Every method but `rpc.discover` and `rpc_methods`, which are made from this list.
pub(super) fn all() -> Vec<Method> {
    vec![
        at_chain("subnet_v1_info", "The subnet, its rules, this validator, and how it scores.", about::info),
        at_market("subnet_v1_economics", "Price, pools, emission and how it is divided.", market::economics),
        at_market(
            "subnet_v1_yield",
            "What the stakers of a validator earned, as a yearly percentage with everything that it is computed from.",
            market::percent,
        ),
        at_chain(
            "subnet_v1_quoteStake",
            "What staking an amount of TAO would give at this block, computed by the chain's own Swap API.",
            market::quote_stake,
        ),
        at_chain(
            "subnet_v1_quoteUnstake",
            "What withdrawing an amount of alpha would give at this block, computed by the chain's own Swap API.",
            market::quote_unstake,
        ),
        at_market(
            "subnet_v1_position",
            "What a coldkey has staked on this subnet, and what it is worth.",
            market::position,
        ),
        at_market(
            "subnet_v1_validators",
            "The subnet's validators, those with most stake first.",
            validators::page,
        ),
        at_market("subnet_v1_validator", "One validator.", validators::one),
        at_chain("subnet_v1_miners", "Everybody on the subnet but this validator, by uid.", miners::page),
        at_chain("subnet_v1_miner", "One miner.", miners::one),
        at_chain(
            "subnet_v1_fleet",
            "The miners' devices, as they claim, and the models of the catalogue.",
            miners::fleet,
        ),
        at_chain(
            "subnet_v1_usage",
            "Calls through this validator, by model, miner, hour or day.",
            usage::usage,
        ),
        at_chain(
            "subnet_v1_revenue",
            "What was metered: compute units of delivered calls, and of those that nobody is charged for.",
            usage::revenue,
        ),
        at_chain(
            "subnet_v1_weights",
            "What the chain holds of this validator, the last vector, and the scores.",
            weights::now,
        ),
        at_chain(
            "subnet_v1_scoreExplain",
            "Why a miner has its score: each term as a share, and the receipts with what each is worth.",
            explain::explain,
        ),
        at_chain("subnet_v1_receipts", "Receipts of this validator's log, newest first.", receipts::page),
        at_chain(
            "subnet_v1_receipt",
            "One receipt, with the bytes by which it can be checked alone.",
            receipts::one,
        ),
        at_chain(
            "subnet_v1_receiptProof",
            "That a receipt is in the log: an RFC 6962 inclusion proof to the log's root or to a tempo's head.",
            receipts::proof,
        ),
        at_market(
            "subnet_v1_epochs",
            "The tempos' signed heads and their commitments on chain, newest first.",
            epochs::page,
        ),
        at_market("subnet_v1_epoch", "One tempo's head with the scores that it names.", epochs::one),
        at_chain(
            "subnet_v1_audits",
            "This validator's reviews of validators' papers, newest first.",
            audits::audits,
        ),
        at_chain(
            "subnet_v1_exports",
            "The bundles that auditors can fetch, with every file's SHA-256.",
            audits::exports,
        ),
        at_chain(
            "subnet_v1_incidents",
            "Outages and changes of rules that this validator saw, newest first.",
            audits::incidents,
        ),
        plain(
            "system_health",
            "Whether the chain is followed, in the shape of Substrate nodes.",
            about::health,
        ),
        plain("system_version", "The version of this software.", about::version),
        plain(
            "system_syncState",
            "How far the chain is followed, in the shape of Substrate nodes.",
            about::sync_state,
        ),
    ]
}

/// Every subscription.
pub(super) fn subscriptions() -> Vec<Subscription> {
    vec![
        Subscription::new::<watch::HeadNote>(
            Topic::Heads,
            ["subnet_v1_subscribeHeads", "subnet_v1_unsubscribeHeads", "subnet_v1_heads"],
            "Each finalised block.",
        ),
        Subscription::new::<watch::EpochNote>(
            Topic::Epochs,
            ["subnet_v1_subscribeEpochs", "subnet_v1_unsubscribeEpochs", "subnet_v1_epochEnded"],
            "Each tempo that begins, with the newest head.",
        ),
        Subscription::new::<watch::UsageNote>(
            Topic::Usage,
            ["subnet_v1_subscribeUsage", "subnet_v1_unsubscribeUsage", "subnet_v1_usageTick"],
            "The last hour's calls, whenever there are more, at most once each `staker_rpc.usage_tick_ms`.",
        ),
        Subscription::new::<watch::FleetNote>(
            Topic::Fleet,
            ["subnet_v1_subscribeFleet", "subnet_v1_unsubscribeFleet", "subnet_v1_fleetChanged"],
            "The miners, whenever one comes, goes, or loads another model.",
        ),
        Subscription::new::<audits::VerdictAnswer>(
            Topic::Audits,
            ["subnet_v1_subscribeAudits", "subnet_v1_unsubscribeAudits", "subnet_v1_auditVerdict"],
            "Each verdict of a review.",
        ),
        Subscription::new::<audits::IncidentAnswer>(
            Topic::Incidents,
            ["subnet_v1_subscribeIncidents", "subnet_v1_unsubscribeIncidents", "subnet_v1_incident"],
            "Each incident.",
        ),
    ]
}
