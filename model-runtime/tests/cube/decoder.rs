use model_runtime::burn_decoder::BurnDecoder;
use model_runtime::checkpoint::Checkpoint;
use model_runtime::cube::decoder::CubeDecoder;
use model_runtime::decoder::{BlockKind, Model, Step};
use model_runtime::device::ComputeDevice;

use super::driver::{Sequence, fed, pages_for};
use super::host::Host;
use super::random::{Random, assert_close};
use super::tiny::{SIZES, VOCABULARY, llama};

const PAGES: usize = 24;

#[test]
fn the_decoder_gives_the_logits_of_burns_tensors_in_pieces_and_beside_others() {
    let (_folder, path) = llama(8, BlockKind::Q8_0, SIZES).on_disk();
    let files = Checkpoint::open(&path).unwrap();
    let decoder = files.decoder(2048).unwrap();
    let mut reference =
        BurnDecoder::new(decoder.spec.clone(), &decoder.weights, &ComputeDevice::cpu(), PAGES);
    let mut random = Random(9);
    // Long enough for its pages to be divided over cubes.
    let tokens: Vec<u32> = (0..270).map(|_| random.among(0..VOCABULARY) as u32).collect();
    let expected = fed(&mut reference, &tokens, &[270]);
    for (exact, at_most) in [(true, 1e-5), (false, 1e-2)] {
        let mut model = CubeDecoder::new(decoder.spec.clone(), &decoder.weights, Host, PAGES, exact);
        let found = fed(&mut model, &tokens, &[250, 17]);
        for (position, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let expected: Vec<f64> = expected.iter().copied().map(f64::from).collect();
            assert_close(found, &expected, at_most, &format!("position {position}, exact {exact}"));
        }
        // Three sequences in one step, one of them from the pages of the first.
        let (mut second, mut third) = (Sequence::on(10..12), Sequence::on(12..14));
        second.feed(&mut model, &tokens[..3]);
        third.feed(&mut model, &tokens[..40]);
        let parts = [second.part(&tokens[3..4]), third.part(&tokens[40..42])];
        let rows = model.forward(&Step { parts: &parts, hidden: true }).unwrap();
        assert_eq!(rows.hidden(2).len(), SIZES.hidden);
        for (row, position) in [3, 40, 41].into_iter().enumerate() {
            let expected: Vec<f64> = expected[position].iter().copied().map(f64::from).collect();
            assert_close(rows.logits(row), &expected, at_most, &format!("row {row} of three"));
        }
    }
    assert!(pages_for(tokens.len()) <= 10);
}
