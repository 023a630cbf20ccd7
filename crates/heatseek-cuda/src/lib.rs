//! Runs Programs on NVIDIA GPUs.
