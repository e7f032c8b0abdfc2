# error: [E0201] Int
mint 1
layer A(K: Int) on Vec[D] ensures invertible { map x -> x }
