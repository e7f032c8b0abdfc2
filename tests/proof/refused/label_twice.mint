# error: [E0204] one
mint 1
layer A on Vec[D] ensures invertible { map x -> x }
flow F on Vec[3] ensures invertible {
  one: A
  one: A
}
