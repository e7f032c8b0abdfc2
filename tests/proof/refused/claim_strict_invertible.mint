# error: [E0214] strict invertible
mint 1
layer L on Vec[D] ensures strict invertible {
  map x -> x
}
