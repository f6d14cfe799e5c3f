"""What staff say of wrong answers: taken in, reviewed, and given to the next training."""
