// shared_subgroup.wgsl for devices without subgroups: every lane loads all.
struct Lane {
  @builtin(local_invocation_index) index: u32,
}

// Where a thread begins that takes every `stride`-th of something.
fn first_of(thread: u32, stride: u32) -> u32 {
  return thread % stride;
}

struct Eight {
  low: vec4<f32>,
  high: vec4<f32>,
}
