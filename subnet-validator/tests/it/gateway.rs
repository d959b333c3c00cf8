mod access;
mod answers;
mod failures;
mod refusals;
