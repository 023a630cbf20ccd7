//! Stored indexes: what is committed stays, what is damaged is refused.

mod archives;
mod compatibility;
mod corpus;
mod damage;
mod disk;
mod folders;
mod identities;
mod kills;
mod power;
mod round_trip;
