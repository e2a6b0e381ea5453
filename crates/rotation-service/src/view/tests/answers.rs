//! Answers to what is asked once.

use super::*;
use flate2::read::GzDecoder;
use serde_json::json;
use std::io::Read;

const EPISODE: &str = "us/streak/RUT/GSPC/2026-01-01T21:00:00Z";

/// What an answer has to be, by the document.
fn validator(path: &str, status: u16) -> jsonschema::Validator {
    let document = openapi::document();
    let path = path.split('?').next().unwrap();
    let operation = &document["paths"][format!("/api/v1{path}")]["get"];
    let mut response = &operation["responses"][status.to_string()];
    if let Some(reference) = response["$ref"].as_str() {
        response = document.pointer(&reference[1..]).unwrap();
    }
    let content = response["content"].as_object().unwrap_or_else(|| {
        panic!("{path}: the document knows no answer {status}");
    });
    let mut schema = content.values().next().unwrap()["schema"].clone();
    schema["components"] = document["components"].clone();
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .build(&schema)
        .unwrap()
}

#[tokio::test]
async fn every_answer_is_what_the_document_says() {
    let view = filled();
    let (address, _stop) = serve(&view, false).await;
    let paths = [
        ("/now", 200),
        ("/episodes", 200),
        ("/episodes?limit=1", 200),
        (
            "/episodes?severity=warning&open=true&from=2026-01-01&to=2027-01-01T00:00:00Z",
            200,
        ),
        (&format!("/episode?id={EPISODE}"), 200),
        (&format!("/episode?id={EPISODE}/2"), 200),
        ("/episode?id=none", 404),
        ("/explain?id=none", 404),
        ("/rules", 200),
        ("/readings?universe=us&rule=streak&limit=3", 200),
        ("/readings?universe=us&rule=none", 404),
        ("/regime", 200),
        ("/regime?universe=eu", 404),
        ("/map", 200),
        ("/map?rule=none", 404),
        ("/openapi.json", 200),
        ("/now?verbose=1", 400),
    ];
    for (path, expected) in paths {
        let (status, answer) = get(address, path).await;
        assert_eq!(status, expected, "{path}: {answer}");
        let faults: Vec<String> = validator(path, status)
            .iter_errors(&answer)
            .map(|fault| format!("{}: {fault}", fault.instance_path))
            .collect();
        assert!(faults.is_empty(), "{path}: {faults:#?}");
    }
}

#[tokio::test]
async fn what_is_on_the_topics_is_what_is_told() {
    let view = filled();
    let (address, _stop) = serve(&view, false).await;
    let (_, now) = get(address, "/now").await;
    assert_eq!(now["caught_up"], true);
    assert_eq!(now["position"], "a0=5,a1=3;r0=59,r1=19");
    assert_eq!(
        (&now["instance"], &now["notes"]),
        (&json!("one"), &json!([]))
    );
    let universe = &now["universes"][0];
    assert_eq!(
        (&universe["name"], &universe["open"]),
        (&json!("us"), &json!(1))
    );
    assert_eq!(universe["horizon"], day(9).to_string());
    let open = now["open"].as_array().unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (&open[0]["state"], &open[0]["severity"]),
        (&json!("escalated"), &json!("warning"))
    );
    assert_eq!(open[0]["spark"].as_array().unwrap().len(), 30);

    let (_, page) = get(address, "/episodes?limit=1").await;
    assert_eq!(
        (&page["total"], &page["episodes"][0]["open"]),
        (&json!(2), &json!(true))
    );
    let next = page["next"].as_str().unwrap();
    let (_, page) = get(address, &format!("/episodes?limit=1&after={next}")).await;
    assert_eq!(
        (&page["episodes"][0]["episode"], &page["next"]),
        (&json!(EPISODE), &Value::Null)
    );

    let (_, detail) = get(address, &format!("/episode?id={EPISODE}")).await;
    let kinds: Vec<&str> = detail["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    let expected = ["opened", "escalated", "resolved"].map(|it| format!("rotation.alert.{it}.v1"));
    assert_eq!(kinds, expected);
    assert_eq!(detail["window"], json!({ "from": day(0), "to": day(6) }));
    assert_eq!(detail["series"][0]["name"], "RUT");
    assert_eq!(
        detail["series"][0]["points"][3],
        json!([day(3).as_nanos() / 1_000_000, 103.0])
    );

    let (_, rules) = get(address, "/rules").await;
    let names: Vec<&str> = rules["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["rule"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["other", "streak"]);
    assert_eq!(
        rules["rules"][0]["about"],
        "New highs of a series after a time without one"
    );
    let (_, readings) = get(address, "/readings?universe=us&rule=streak&limit=2").await;
    let ms = |number| day(number).as_nanos() / 1_000_000;
    assert_eq!(
        readings["points"],
        json!([[ms(28), 2.0, 5.0], [ms(29), 1.0, 5.0]])
    );
}

#[tokio::test]
async fn parameters_that_mean_nothing_are_refused() {
    let view = filled();
    let (address, _stop) = serve(&view, false).await;
    for (path, expected) in [
        ("/now?x=1", "unknown field `x`"),
        ("/rules?universe=us", "unknown field `universe`"),
        ("/episodes?limit=0", "expected a limit of 1 to 5000"),
        ("/episodes?limit=5001", "expected a limit of 1 to 5000"),
        ("/episodes?limit=%2B1", "expected a limit of 1 to 5000"),
        (
            "/episodes?open=yes",
            "provided string was not `true` or `false`",
        ),
        ("/episodes?severity=loud", "unknown variant `loud`"),
        ("/episodes?from=yesterday", "expected an instant such as"),
        ("/episodes?to=2026-13-01", "expected an instant such as"),
        ("/episodes?after=x", "expected what `next` of a page said"),
        ("/episodes?rule=", "expected 1 to 1024 printable characters"),
        (
            "/episodes?rule=a%00",
            "expected 1 to 1024 printable characters",
        ),
        ("/episodes?rule=a&rule=b", "duplicate field `rule`"),
        ("/episode", "expected the parameter `id`"),
        (
            "/readings?universe=us",
            "expected the parameters `universe` and `rule`",
        ),
        ("/events?from=1", "unknown field `from`"),
    ] {
        let (status, head, body) = ask(address, &format!("GET /api/v1{path}"), "").await;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(
            (status, &problem["status"]),
            (400, &json!(400)),
            "{path}: {detail}"
        );
        assert!(detail.contains(expected), "{path}: {detail}");
        assert!(
            head.contains("content-type: application/problem+json"),
            "{head}"
        );
    }
    let (status, head, _) = ask(address, "GET /api/v1/nowhere", "").await;
    assert!(status == 404 && head.contains("problem+json"), "{head}");
    let (status, head, _) = ask(address, "POST /api/v1/now", "").await;
    assert!(status == 403 && head.contains("problem+json"), "{head}");
}

#[tokio::test]
async fn data_need_the_token_and_the_page_does_not() {
    let view = filled();
    let (address, _stop) = serve(&view, true).await;
    for path in ["/", "/favicon.svg", "/assets/index.js"] {
        let (status, _, body) = ask(address, &format!("GET {path}"), "").await;
        assert!(status == 200 && !body.is_empty(), "{path}: {status}");
    }
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    for path in ["now", "events", "openapi.json", "nowhere"] {
        let (status, head, body) = ask(address, &format!("GET /api/v1/{path}"), "").await;
        assert_eq!(status, 401, "{path}");
        assert!(head.contains("www-authenticate: bearer") && head.contains("problem+json"));
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], 401);
    }
    assert_eq!(ask(address, "GET /api/v1/now", &token).await.0, 200);
    let (status, head, _) = ask(address, "POST /api/v1/now", &token).await;
    assert!(status == 405 && head.contains("allow: get,head"), "{head}");
}

#[tokio::test]
async fn long_answers_are_packed_and_heads_have_no_body() {
    let view = filled();
    let (address, _stop) = serve(&view, false).await;
    for path in ["/api/v1/openapi.json", "/assets/index.js"] {
        let (_, plain, whole) = ask(address, &format!("GET {path}"), "").await;
        let accept = "Accept-Encoding: br, gzip;q=0.5\r\n";
        let (_, head, packed) = ask(address, &format!("GET {path}"), accept).await;
        assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"));
        let mut text = Vec::new();
        GzDecoder::new(packed.as_slice())
            .read_to_end(&mut text)
            .unwrap();
        assert!(text == whole && packed.len() < whole.len(), "{path}");
        assert!(!plain.contains("content-encoding"), "{plain}");
        let never = "Accept-Encoding: gzip;q=0\r\n";
        assert_eq!(ask(address, &format!("GET {path}"), never).await.2, whole);
        let (status, head, body) = ask(address, &format!("HEAD {path}"), "").await;
        assert_eq!((status, body.len()), (200, 0), "{path}");
        assert!(
            head.contains(&format!("content-length: {}", whole.len())),
            "{head}"
        );
    }
}

#[tokio::test]
async fn the_page_is_asked_for_again_by_its_tag() {
    let view = filled();
    let (address, _stop) = serve(&view, false).await;
    let (status, head, _) = ask(address, "GET /", "").await;
    let policy = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' \
        data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";
    assert!(status == 200 && head.contains(policy), "{head}");
    assert!(
        head.contains("content-type: text/html; charset=utf-8"),
        "{head}"
    );
    let tag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    let again = |tag: &str| format!("If-None-Match: \"x\", {tag}\r\n");
    let (status, _, body) = ask(address, "GET /", &again(tag)).await;
    assert_eq!((status, body.len()), (304, 0));
    assert_eq!(ask(address, "GET /", &again("\"y\"")).await.0, 200);
    assert_eq!(ask(address, "GET /assets/none.js", "").await.0, 404);
    let (_, head, _) = ask(address, "GET /api/v1/now", "").await;
    assert!(
        head.contains("cache-control: no-store") && !head.contains("etag"),
        "{head}"
    );
}

#[tokio::test]
async fn what_is_no_record_is_counted_and_passed_over() {
    let metrics = Metrics::new();
    let view = view(&metrics);
    let bytes = vec![
        b"{}".to_vec(),
        b"".to_vec(),
        AlertEvent::from(alert(0, 1, Did::Opened, 0)).encode(),
    ];
    view.take(partition(Topic::Alerts, 0, bytes));
    let page = metrics.scrape(0.0);
    assert!(
        page.contains("rotation_view_malformed_total{topic=\"alerts\"} 2\n"),
        "{page}"
    );
    assert!(
        page.contains("rotation_view_records_total{topic=\"alerts\"} 3\n"),
        "{page}"
    );
    assert_eq!(view.now().open.len(), 1);
}
