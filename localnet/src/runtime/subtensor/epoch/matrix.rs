//! Square matrices and vectors of the epoch: row is the validator, column the neuron it judges.

use crate::runtime::numbers::I32F32;

/// A square matrix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Matrix {
    size: usize,
    cells: Vec<I32F32>,
}

impl Matrix {
    /// A matrix of zeros.
    pub fn zero(size: usize) -> Self {
        Self { size, cells: vec![I32F32::ZERO; size * size] }
    }

    /// A matrix by its cells.
    pub fn from_fn(size: usize, mut cell: impl FnMut(usize, usize) -> I32F32) -> Self {
        let cells = (0..size * size).map(|at| cell(at / size, at % size)).collect();
        Self { size, cells }
    }

    /// Rows, and columns.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// One cell.
    pub fn get(&self, row: usize, column: usize) -> I32F32 {
        self.cells[row * self.size + column]
    }

    /// Replaces one cell; a place outside the matrix is ignored.
    pub fn set(&mut self, row: usize, column: usize, value: I32F32) {
        if row < self.size && column < self.size {
            self.cells[row * self.size + column] = value;
        }
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[I32F32] {
        &self.cells[row * self.size..(row + 1) * self.size]
    }

    /// The cells of one column, from the top.
    pub fn column(&self, column: usize) -> impl Iterator<Item = I32F32> + '_ {
        (0..self.size).map(move |row| self.get(row, column))
    }

    /// Cell by cell.
    pub fn map(&self, mut cell: impl FnMut(usize, usize, I32F32) -> I32F32) -> Self {
        Self::from_fn(self.size, |row, column| cell(row, column, self.get(row, column)))
    }

    /// Every row divided by its sum; a row of zeros stays.
    pub fn rows_normalised(&self) -> Self {
        let sums: Vec<I32F32> =
            (0..self.size).map(|row| I32F32::sum(self.row(row).iter().copied())).collect();
        self.map(|row, _, cell| quotient(cell, sums[row]))
    }

    /// Every column divided by its sum; a column of zeros stays.
    pub fn columns_normalised(&self) -> Self {
        let sums: Vec<I32F32> = (0..self.size).map(|column| I32F32::sum(self.column(column))).collect();
        self.map(|_, column, cell| quotient(cell, sums[column]))
    }

    /// Every column divided by its largest cell; a column of zeros stays.
    pub fn columns_upscaled(&self) -> Self {
        let max: Vec<I32F32> =
            (0..self.size).map(|column| self.column(column).max().unwrap_or(I32F32::ZERO)).collect();
        self.map(|_, column, cell| quotient(cell, max[column]))
    }

    /// Sum over each row of cell times the vector's entry of its column.
    pub fn times(&self, vector: &[I32F32]) -> Vec<I32F32> {
        (0..self.size)
            .map(|row| I32F32::sum(self.row(row).iter().zip(vector).map(|(cell, entry)| cell.mul(*entry))))
            .collect()
    }

    /// Sum over each column of cell times the vector's entry of its row.
    pub fn transposed_times(&self, vector: &[I32F32]) -> Vec<I32F32> {
        (0..self.size)
            .map(|column| I32F32::sum(self.column(column).zip(vector).map(|(cell, entry)| cell.mul(*entry))))
            .collect()
    }
}

/// A vector divided by its sum; zeros stay.
pub fn normalised(vector: &[I32F32]) -> Vec<I32F32> {
    normalised_by(vector, I32F32::sum(vector.iter().copied()))
}

/// A vector divided by a number; by zero it stays.
pub fn normalised_by(vector: &[I32F32], sum: I32F32) -> Vec<I32F32> {
    vector.iter().map(|entry| quotient(*entry, sum)).collect()
}

fn quotient(part: I32F32, whole: I32F32) -> I32F32 {
    if whole == I32F32::ZERO { part } else { part.div(whole) }
}
