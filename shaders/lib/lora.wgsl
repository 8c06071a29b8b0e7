// s = lora_alpha / rank · the user's scale; 0 switches the adapter off without touching its weights.
struct Lora {
  scale: f32,
}
