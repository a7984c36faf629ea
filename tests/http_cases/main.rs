//! Where requests end: what the files under `tests/http/` send, and what has to come of it. Each is read by the framing
//! alone, and goes through a whole gate to backends that write down what they see. Behind each comes a marker: gate and
//! backends agree only if that is seen as what it is, and nothing else.

mod case;
mod framing;
