"""What a text is about: CPU time of a model, beside that of the framework.

`POST /api/ai/classify` with texts of 220 to 310 characters, whose category is beyond doubt, by a model in
32-bit floats. `classify-int8` asks the same of the quantised one. A request costs a millisecond or two of CPU
time; with more users than these they only queue.
"""

from locust import task

from harness.loadgen.client import expect_json
from harness.loadgen.user import BenchUser

NEEDS = ("classifier",)
ENDPOINTS = ("POST /api/ai/classify",)
USERS = 200

SENTENCES = {
    "billing": (
        "Please send me the invoice again: the amount on my account statement is wrong, and I want a refund.",
        "My bank took the subscription fee twice this month. When do I get the refund?",
        "The payment for the last order is due on Friday, says the invoice. Is there a fee for the account?",
        "You charged my account for a contract that I ended. Please transfer the deposit back to my bank.",
    ),
    "cooking": (
        "Melt the butter in a pan, add onion and garlic, and let the sauce boil slowly.",
        "Which flour do I need for a bread dough that is to stay in the oven for an hour?",
        "Season the soup with salt and pepper, and slice the cheese for the last dish of the menu.",
        "The recipe says to roast the vegetables first and to stir the stew with a wooden spoon.",
    ),
    "health": (
        "The doctor says that the fever is a symptom of an allergy, and that medicine will help.",
        "After the surgery the patient needs sleep, a diet and a therapy for the muscle.",
        "My headache did not stop, so the nurse took my blood and my pulse at the clinic.",
        "Is there a vaccine, and which dose of the medicine does a patient with lung pain get?",
    ),
    "sport": (
        "Our team won the match by a late goal, and the coach praised the defender.",
        "The referee gave a penalty, and the whole stadium heard the whistle.",
        "She won the medal and the tournament after a season of hard training with her coach and team.",
        "The captain of the league's best team could not run after his injury, said the coach.",
    ),
    "technology": (
        "After the update my laptop lost the network, and the browser asks for a password again.",
        "The software update filled the memory of the server, and the database has no backup.",
        "Connect the keyboard and the printer by cable, then start the program on the screen.",
        "The sensor of the robot sends its data to the cloud, but the battery of the device is empty.",
    ),
    "travel": (
        "Our flight was late, and the luggage came to the hotel a day after us.",
        "Show your passport and visa at the border before you take the ferry to the island.",
        "The tourist guide had a map of the museum and of the way to the harbour.",
        "I lost my ticket at the airport, and the departure of the next train is at noon.",
    ),
}
TEXTS = [
    (" ".join(sentence for sentence in sentences if sentence is not left_out), category)
    for category, sentences in SENTENCES.items()
    for left_out in sentences
]
QUESTIONS = [({"text": text}, expect_json({"category": category})) for text, category in TEXTS]


class Classify(BenchUser):
    """Asks about one text after the other."""

    @task
    def classify(self) -> None:
        """Ask about one."""
        question, answer = self.random.choice(QUESTIONS)
        self.client.post("/api/ai/classify", json=question, expect=answer)
