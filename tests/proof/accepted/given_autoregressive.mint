# proves: Maf: lower, diag > 0, invertible
# class: Maf: lower, diag in (0, inf)
# proves: In: invertible
# class: In: bijection of R^D
# proves: F: invertible
# class: F: bijection of R^D
mint 1
net Made(width: Nat) from Vec[D], Vec[M] to (Vec[D], Vec[D]) {
  space Hid = Vec[width]
  param V : linear lower from Vec[D] to Hid
  param Vm, Va : linear strict lower from Hid to Vec[D]
  param U : linear from Vec[M] to Hid
  map x, c {
    let u = tanh(V(x) + U(c))
    return (Vm(u), Va(u))
  }
}
layer Maf(width: Nat = 8) on Vec[D] given c : Vec[M] ensures lower, diag > 0, invertible {
  param n : net Made(width = width) from Vec[D], Vec[M] to (Vec[D], Vec[D])
  map x {
    let (m, a) = n(x, c)
    return (x - m) * exp(-a)
  }
}
flow In on Vec[D] given c : Vec[K] ensures invertible { Maf  reverse }
flow F on Vec[6] given c : Vec[3] ensures invertible {
  In
  repeat 2 { Maf(width = 12) }
  prior normal
}
