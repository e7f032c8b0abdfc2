# error: [E0201] Actnorm
mint 1
flow F on Vec[3] ensures invertible { Actnorm }
