# error: [E0214] inverse
mint 1
layer Scale on Vec[D] ensures inverse { map x -> x }
