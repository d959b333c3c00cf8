//! Polynomials modulo a prime: through points, and at places.

use super::{Proof, TOP_VALUES};

/// Coefficients and values are residues of it. Every bfloat16 but some NaNs is below.
pub(super) const PRIME: u32 = 65_497;

impl Proof {
    /// The polynomial through these values (as bfloat16 bits) at these places, which must differ. `None` for no values or more than
    /// [`TOP_VALUES`], or if no modulus keeps the places apart.
    pub fn through(points: &[(u32, u16)]) -> Option<Self> {
        if points.is_empty() || points.len() > TOP_VALUES {
            return None;
        }
        let places: Vec<u32> = points.iter().map(|(place, _)| *place).collect();
        let modulus = injective_modulus(&places)?;
        let places: Vec<u32> = places.iter().map(|place| place.checked_rem(modulus).unwrap_or(0)).collect();
        let values = points.iter().map(|(_, value)| u32::from(*value) % PRIME).collect();
        let coefficients = expand(&places, &divided_differences(&places, values));
        // Both are below 2^16 by the reductions above.
        let narrow = |number: u32| u16::try_from(number).ok();
        let coefficients = coefficients.into_iter().map(narrow).collect::<Option<_>>()?;
        Some(Self { modulus: narrow(modulus)?, coefficients })
    }

    /// The value at a place: bfloat16 bits if the place is one that the polynomial was made from.
    pub fn value_at(&self, place: u32) -> u16 {
        let place = place.checked_rem(self.modulus.into()).unwrap_or(0);
        let horner = |sum, coefficient: &u16| add(multiply(sum, place), (*coefficient).into());
        u16::try_from(self.coefficients.iter().rev().fold(0, horner)).unwrap_or(u16::MAX)
    }
}

/// The greatest number up to the prime by which all places leave different remainders.
fn injective_modulus(places: &[u32]) -> Option<u32> {
    let least = u32::try_from(places.len()).ok()?;
    let mut seen = vec![0_u32; PRIME as usize];
    (least..=PRIME).rev().find(|modulus| {
        places.iter().all(|place| {
            let remainder = place.checked_rem(*modulus).unwrap_or(0);
            seen.get_mut(remainder as usize).is_some_and(|mark| std::mem::replace(mark, *modulus) != *modulus)
        })
    })
}

/// Newton's coefficients.
fn divided_differences(places: &[u32], mut values: Vec<u32>) -> Vec<u32> {
    for order in 1..values.len() {
        let apart = places.iter().skip(order).zip(places).map(|(far, near)| subtract(*far, *near));
        let inverses = inverses(&apart.collect::<Vec<_>>());
        let mut before = values.get(order.saturating_sub(1)).copied().unwrap_or(0);
        for (value, inverse) in values.iter_mut().skip(order).zip(inverses) {
            let next = multiply(subtract(*value, before), inverse);
            before = std::mem::replace(value, next);
        }
    }
    values
}

/// From Newton's form to ascending powers, by Horner's rule.
fn expand(places: &[u32], newton: &[u32]) -> Vec<u32> {
    let mut coefficients = vec![0; newton.len()];
    for (place, term) in places.iter().zip(newton).rev() {
        let mut carry = *term;
        for coefficient in &mut coefficients {
            let next = subtract(carry, multiply(*place, *coefficient));
            carry = std::mem::replace(coefficient, next);
        }
    }
    coefficients
}

/// The inverses of numbers that are not zero: one exponentiation for all of them.
fn inverses(numbers: &[u32]) -> Vec<u32> {
    let mut product = 1;
    let step = |number: &u32| {
        let before = product;
        product = multiply(product, *number);
        before
    };
    let before: Vec<u32> = numbers.iter().map(step).collect();
    let mut inverse = power(product, PRIME.saturating_sub(2));
    let mut inverted = Vec::with_capacity(numbers.len());
    for (number, before) in numbers.iter().zip(&before).rev() {
        inverted.push(multiply(inverse, *before));
        inverse = multiply(inverse, *number);
    }
    inverted.reverse();
    inverted
}

fn power(mut base: u32, mut exponent: u32) -> u32 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, base);
        }
        base = multiply(base, base);
        exponent >>= 1;
    }
    result
}

// Residues are below 2^16, so none of these wraps.

fn multiply(a: u32, b: u32) -> u32 {
    a.wrapping_mul(b) % PRIME
}

fn add(a: u32, b: u32) -> u32 {
    a.wrapping_add(b) % PRIME
}

fn subtract(a: u32, b: u32) -> u32 {
    a.wrapping_add(PRIME).wrapping_sub(b) % PRIME
}
