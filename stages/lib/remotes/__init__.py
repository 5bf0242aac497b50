"""What the Hugging Face Hub and Kaggle have, through their own clients, and what went wrong there."""
