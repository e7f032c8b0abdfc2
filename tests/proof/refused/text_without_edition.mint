# error: [E0110] layer
layer A on Vec[D] ensures invertible { map x -> x }
