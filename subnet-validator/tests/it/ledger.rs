mod appending;
mod damage;
mod layout;
mod reading;
