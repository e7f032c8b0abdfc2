# error: [E0303] factor half
mint 1
flow F(N: Nat = 3) on Vec[N] ensures invertible { factor half }
