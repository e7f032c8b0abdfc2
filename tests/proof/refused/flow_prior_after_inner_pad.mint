# error: [E0604] prior normal
# the dimension grows in the flow inside
mint 1
flow Inner on Image[1, 4, 4] ensures injective { pad channels to 4 }
flow F on Image[1, 4, 4] { Inner  prior normal }
