mod journal;
mod one_vector;
mod scoring;
