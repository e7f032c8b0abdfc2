# error: [E0203] "./import_of_itself.mint"
mint 1
import "./import_of_itself.mint" { A }
layer A on Vec[D] ensures invertible { map x -> x }
