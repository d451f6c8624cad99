"""The exam of a bundle: the labelled parts that it and its successors are judged by."""
