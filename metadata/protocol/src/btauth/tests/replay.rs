//! The guard: once each, bounded, and safe whatever the clock does.

use super::*;

const SECOND_NS: u64 = 1_000_000_000;

fn caller(name: &str, nonce_ns: u64) -> VerifiedCaller {
    VerifiedCaller { hotkey: account(name), nonce_ns }
}

#[test]
fn a_nonce_is_admitted_once_for_each_hotkey() {
    let mut guard = ReplayGuard::new(10, 60_000);
    assert!(guard.is_empty());
    assert_eq!(guard.admit(&caller("Alice", NOW_NS), NOW_NS), Ok(()));
    for later_ns in [0, 1, 9 * SECOND_NS, 60 * SECOND_NS] {
        assert_eq!(guard.admit(&caller("Alice", NOW_NS), NOW_NS + later_ns), Err(ReplayError::Replayed));
    }
    assert!(!guard.has(&account("Bob"), NOW_NS) && !guard.has(&account("Alice"), NOW_NS + 1));
    assert_eq!(guard.admit(&caller("Bob", NOW_NS), NOW_NS), Ok(()));
    assert_eq!(guard.admit(&caller("Alice", NOW_NS + 1), NOW_NS), Ok(()));
    assert!(guard.has(&account("Bob"), NOW_NS) && guard.has(&account("Alice"), NOW_NS + 1));
    assert_eq!(guard.len(), 3);
}

#[test]
fn a_full_guard_refuses_until_nonces_have_aged_and_forgets_none_early() {
    let mut guard = ReplayGuard::new(2, 60_000);
    assert_eq!(guard.admit(&caller("Alice", NOW_NS), NOW_NS), Ok(()));
    assert_eq!(guard.admit(&caller("Alice", NOW_NS + 1), NOW_NS), Ok(()));
    assert_eq!(guard.admit(&caller("Alice", NOW_NS + 2), NOW_NS), Err(ReplayError::Full));
    assert_eq!(guard.admit(&caller("Alice", NOW_NS), NOW_NS), Err(ReplayError::Replayed));
    let later_ns = NOW_NS + 60 * SECOND_NS + 1;
    assert_eq!(guard.admit(&caller("Alice", later_ns), later_ns), Ok(()));
    assert_eq!(guard.len(), 2, "one aged, one added");
}

#[test]
fn a_fresh_nonce_is_never_refused_while_the_clock_goes_forward() {
    let mut guard = ReplayGuard::new(1_000, 60_000);
    for step in 0..300 {
        let now_ns = NOW_NS + step * SECOND_NS;
        // The oldest and the newest nonce that are still fresh.
        assert_eq!(guard.admit(&caller("Alice", now_ns - 10 * SECOND_NS), now_ns), Ok(()), "{step}");
        assert_eq!(guard.admit(&caller("Bob", now_ns + 2 * SECOND_NS), now_ns), Ok(()), "{step}");
    }
    assert!(guard.len() < 150, "aged nonces are forgotten, {} left", guard.len());
}

#[test]
fn after_the_clock_went_back_far_no_forgotten_nonce_is_admitted_again() {
    let mut guard = ReplayGuard::new(1_000, 60_000);
    for step in 0..200 {
        let now_ns = NOW_NS + step * SECOND_NS;
        assert_eq!(guard.admit(&caller("Alice", now_ns), now_ns), Ok(()));
    }
    // Back by 150 seconds: the nonces of that time are fresh again by the clock, and forgotten.
    for step in 49..200 {
        let now_ns = NOW_NS + step * SECOND_NS;
        let expected = if step < 139 { ReplayError::ClockWentBack } else { ReplayError::Replayed };
        assert_eq!(guard.admit(&caller("Alice", now_ns), now_ns), Err(expected), "{step}");
        let honest = guard.admit(&caller("Bob", now_ns), now_ns);
        assert_eq!(honest, if step < 139 { Err(ReplayError::ClockWentBack) } else { Ok(()) }, "{step}");
    }
}

#[test]
fn after_a_step_back_of_48_seconds_everything_goes_on_and_nothing_is_replayed() {
    let mut guard = ReplayGuard::new(1_000, 60_000);
    for step in 0..200 {
        let now_ns = NOW_NS + step * SECOND_NS;
        assert_eq!(guard.admit(&caller("Alice", now_ns), now_ns), Ok(()));
    }
    let stepped_ns = NOW_NS + (199 - 48) * SECOND_NS;
    assert_eq!(guard.admit(&caller("Bob", stepped_ns - 10 * SECOND_NS), stepped_ns), Ok(()));
    assert_eq!(guard.admit(&caller("Alice", stepped_ns), stepped_ns), Err(ReplayError::Replayed));
}

#[test]
fn a_restarted_server_refuses_what_it_may_have_accepted_before() {
    let mut guard = ReplayGuard::new(10, 60_000);
    guard.refuse_through(NOW_NS + 2 * SECOND_NS);
    assert_eq!(guard.admit(&caller("Alice", NOW_NS), NOW_NS), Err(ReplayError::ClockWentBack));
    assert_eq!(guard.admit(&caller("Alice", NOW_NS + 2 * SECOND_NS + 1), NOW_NS + SECOND_NS), Ok(()));
    // The floor never sinks.
    guard.refuse_through(0);
    assert_eq!(guard.admit(&caller("Bob", NOW_NS), NOW_NS), Err(ReplayError::ClockWentBack));
}
