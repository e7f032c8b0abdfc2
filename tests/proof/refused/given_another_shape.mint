# error: [E0301] A
# error: [E0301] B
# error: [E0301] C
mint 1
layer A on Vec[D] given y : Vec[D] ensures diag > 0, invertible { map x -> x + y }
layer B on Vec[D] given y : Image[M, 2, 2] ensures invertible {
  param V : linear from Vec[M] to Vec[D]
  param b : bias from Vec[M] to Vec[M]
  map x -> x + V(b)
}
layer C on S given y : S ensures diag > 0, invertible { map x -> x + y }
flow F on Vec[6] given y : Vec[3] ensures invertible { A  B  C }
