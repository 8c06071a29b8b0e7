// shared_subgroup.wgsl for devices without subgroups: every lane loads all.
struct Lane {
  @builtin(local_invocation_index) index: u32,
}

struct Eight {
  low: vec4<f32>,
  high: vec4<f32>,
}
