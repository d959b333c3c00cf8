use crate::support::Ask;
use crate::support::stand::Stand;
use http::StatusCode;
use std::os::unix::fs::PermissionsExt;

async fn models(stand: &Stand, secret: Option<&str>) -> crate::support::Reply {
    let ask = Ask::new("GET", stand.gateway.address(), "/v1/models");
    match secret {
        Some(secret) => ask.key(secret).send().await,
        None => ask.send().await,
    }
}

#[tokio::test]
async fn without_a_valid_key_nothing_under_v1_answers() {
    let stand = Stand::start(&[]).await;
    let other_scheme =
        Ask::new("GET", stand.gateway.address(), "/v1/models").header("authorization", "Basic c2s=");

    for reply in
        [models(&stand, None).await, models(&stand, Some("sk-wrong")).await, other_scheme.send().await]
    {
        assert_eq!(
            (reply.status, reply.error_code().as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_api_key")
        );
        assert_eq!(reply.headers["x-should-retry"], "false");
    }
    assert_eq!(models(&stand, Some(&stand.secret)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn keys_made_or_revoked_elsewhere_take_effect_at_once() {
    let stand = Stand::start(&[]).await;
    assert_eq!(models(&stand, Some(&stand.secret)).await.status, StatusCode::OK);

    let new = stand.keys.create("second", 2).unwrap();
    assert_eq!(models(&stand, Some(&new.secret)).await.status, StatusCode::OK);
    assert!(stand.keys.revoke(&new.key.id, 3).unwrap());
    assert_eq!(models(&stand, Some(&new.secret)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(models(&stand, Some(&stand.secret)).await.status, StatusCode::OK);
    assert!(!stand.keys.revoke(&new.key.id, 4).unwrap(), "it is revoked already");
}

#[tokio::test]
async fn the_key_file_is_private_and_holds_no_secret() {
    let stand = Stand::start(&[]).await;
    let path = stand.folder.path().join("keys.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(stand.secret.strip_prefix("sk-").unwrap()));
}

#[tokio::test]
async fn keys_can_be_switched_off() {
    let stand = Stand::start_with(&[], |gateway, _| gateway.require_api_key = false).await;
    assert_eq!(models(&stand, None).await.status, StatusCode::OK);
}
