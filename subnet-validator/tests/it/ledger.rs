mod appending;
mod damage;
mod layout;
mod pruning;
mod reading;
mod simulation;
mod torn;
