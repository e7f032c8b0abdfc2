# warning: [W0201] y : S
# warning: [W0201] c : Vec[2]
mint 1
layer A on S given y : S ensures diag > 0, invertible { map x -> 2 * x }
layer B on S ensures diag > 0, invertible { map x -> 3 * x }
flow F on Vec[4] given c : Vec[2] ensures invertible { B  prior normal }
