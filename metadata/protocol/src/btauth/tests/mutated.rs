//! Valid requests changed at random: none is accepted.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

#[derive(Debug, Clone)]
enum Mutation {
    FlipHeaderByte { header: Index, byte: Index, mask: u8 },
    InsertHeaderByte { header: Index, byte: Index, value: u8 },
    TruncateHeader { header: Index, length: Index },
    DropHeader { header: Index },
    DoubleHeader { header: Index },
    FlipTargetByte { byte: Index, mask: u8 },
    FlipBodyByte { byte: Index, mask: u8 },
    ExtendBody { value: u8 },
    Method { method: &'static str },
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    prop_oneof![
        8 => (index(), index(), 1_u8..).prop_map(|(header, byte, mask)| Mutation::FlipHeaderByte { header, byte, mask }),
        3 => (index(), index(), any::<u8>()).prop_map(|(header, byte, value)| Mutation::InsertHeaderByte { header, byte, value }),
        1 => (index(), index()).prop_map(|(header, length)| Mutation::TruncateHeader { header, length }),
        1 => index().prop_map(|header| Mutation::DropHeader { header }),
        1 => index().prop_map(|header| Mutation::DoubleHeader { header }),
        2 => (index(), 1_u8..).prop_map(|(byte, mask)| Mutation::FlipTargetByte { byte, mask }),
        2 => (index(), 1_u8..).prop_map(|(byte, mask)| Mutation::FlipBodyByte { byte, mask }),
        1 => any::<u8>().prop_map(|value| Mutation::ExtendBody { value }),
        1 => prop::sample::select(vec!["GET", "PUT", "PATCH", "POST ", "POST\n", ""]).prop_map(|method| Mutation::Method { method }),
    ]
}

fn mutate(request: &mut Request, mutation: &Mutation) {
    match mutation {
        Mutation::FlipHeaderByte { header, byte, mask } => {
            let value = &mut header.get_mut(&mut request.headers).1;
            *byte.get_mut(value) ^= mask;
        }
        Mutation::InsertHeaderByte { header, byte, value: inserted } => {
            let value = &mut header.get_mut(&mut request.headers).1;
            let at = byte.index(value.len() + 1);
            value.insert(at, *inserted);
        }
        Mutation::TruncateHeader { header, length } => {
            let value = &mut header.get_mut(&mut request.headers).1;
            let length = length.index(value.len());
            value.truncate(length);
        }
        Mutation::DropHeader { header } => {
            let at = header.index(request.headers.len());
            request.headers.remove(at);
        }
        Mutation::DoubleHeader { header } => {
            let again = header.get(&request.headers).clone();
            request.headers.push(again);
        }
        Mutation::FlipTargetByte { byte, mask } => {
            let mut bytes = request.target.clone().into_bytes();
            *byte.get_mut(&mut bytes) ^= mask;
            request.target = String::from_utf8_lossy(&bytes).into_owned();
        }
        Mutation::FlipBodyByte { byte, mask } => *byte.get_mut(&mut request.body) ^= mask,
        Mutation::ExtendBody { value } => request.body.push(*value),
        Mutation::Method { method } => request.method = (*method).to_owned(),
    }
}

proptest! {
    #![proptest_config(crate::fixtures::at_least(1_500))]

    #[test]
    fn no_mutated_request_is_accepted(mutations in prop::collection::vec(mutation(), 1..4)) {
        let mut request = Request::signed();
        for mutation in &mutations {
            if !request.headers.is_empty() && !request.headers.iter().any(|(_, value)| value.is_empty()) {
                mutate(&mut request, mutation);
            }
        }
        // Two spellings mean the same: hexadecimal digits in either case, and leading zeroes of the nonce. A
        // mutation may also undo another. All that is left is a change of meaning.
        let original = Request::signed();
        let same_line = request.method == original.method && request.target == original.target && request.body == original.body;
        prop_assume!(!(same_line && request.collect() == original.collect()));
        prop_assert!(request.verify().is_err(), "accepted: {:?}", request);
    }

    #[test]
    fn any_headers_are_read_or_refused_without_panic(
        headers in prop::collection::vec(("(?i)x-bittensor-(version|hotkey|nonce|crypto|signature|receiver)", prop::collection::vec(any::<u8>(), 0..140)), 0..10)
    ) {
        let request = Request { headers, ..Request::signed() };
        prop_assert!(request.verify().is_err());
    }
}
