mod appending;
mod damage;
mod layout;
mod reading;
mod torn;
