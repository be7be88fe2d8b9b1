"""The article's chapters, from the first neuron to Llama: a text, an example in plain numbers, the same in torch."""
