mod access;
mod accounts;
mod answers;
mod browsers;
mod failures;
mod refusals;
mod tls;
