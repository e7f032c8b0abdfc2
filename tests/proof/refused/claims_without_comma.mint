# error: [E0214] lower invertible
mint 1
layer Scale on Vec[D] ensures lower invertible { map x -> x }
